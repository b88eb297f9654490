// SPDX-License-Identifier: Apache-2.0

package sync

// OnceValue and OnceValues are in this package from Go 1.21 on.
func OnceValue[A any](f func() A) func() A {
	var once Once
	var a A

	return func() A {
		once.Do(func() { a = f() })
		return a
	}
}

func OnceValues[A, B any](f func() (A, B)) func() (A, B) {
	var once Once
	var a A
	var b B

	return func() (A, B) {
		once.Do(func() { a, b = f() })
		return a, b
	}
}
