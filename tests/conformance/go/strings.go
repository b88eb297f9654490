// SPDX-License-Identifier: Apache-2.0

package strings

// CutPrefix is in this package from Go 1.20 on.
func CutPrefix(s, prefix string) (after string, found bool) {
	if !HasPrefix(s, prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
