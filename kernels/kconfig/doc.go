// Package kconfig reads kernel configurations and the fragments that they are
// made of. It also reads Kconfig files, to explain why an option was not taken.
package kconfig
