// Package patchset reads patch series, as files and as mail, and applies them
// to a source tree. It is pure: it reads file systems and bytes, and writes
// nothing.
package patchset
