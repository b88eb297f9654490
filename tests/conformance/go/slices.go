// SPDX-License-Identifier: Apache-2.0

// Package slices is what the suite needs of Go 1.21's, for an older compiler.
package slices

func Contains[E comparable](list []E, wanted E) bool {
	for i := range list {
		if list[i] == wanted {
			return true
		}
	}
	return false
}

// DeleteFunc works in place; the result is a part of list.
func DeleteFunc[E any](list []E, drop func(E) bool) []E {
	kept := list[:0]
	for _, e := range list {
		if !drop(e) {
			kept = append(kept, e)
		}
	}
	return kept
}
