// Package kconfig reads kernel configurations, the fragments that they are made
// of, and as much of a tree's Kconfig files as it takes to tell why an option
// was not taken.
package kconfig
