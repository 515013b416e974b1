// Package packaging has no code: its tests install the lab as users do.
package packaging
