package scenarios

// modulesOf names the loadable modules behind the symbols of Where.Needs that
// distributions set to m, by obj-$(CONFIG_...) of the kernel's Makefiles (v6.1 to
// v7.2). The guest has no modprobe, so what a module asks for at run time, such as
// ciphers, is named as well. A module that a kernel lacks is passed over.
var modulesOf = map[string][]string{
	"CONFIG_BLK_DEV_DM":      {"dm_mod"},
	"CONFIG_DM_CRYPT":        {"dm_crypt", "aes_generic", "cbc", "ecb", "xts", "essiv"},
	"CONFIG_EFIVAR_FS":       {"efivarfs"},
	"CONFIG_EFI_TEST":        {"efi_test"},
	"CONFIG_ACPI_CONFIGFS":   {"configfs", "acpi_configfs"},
	"CONFIG_INET_ESP":        {"esp4", "authenc", "echainiv", "cbc", "hmac", "sha256_generic", "aes_generic", "crypto_null", "ctr", "sha512_generic", "jitterentropy_rng", "drbg"},
	"CONFIG_INET_TCP_DIAG":   {"inet_diag", "tcp_diag"},
	"CONFIG_NET_KEY":         {"af_key"},
	"CONFIG_SERIAL_8250_PCI": {"8250_pci"},
	"CONFIG_TLS":             {"tls", "gcm", "ghash_generic"},
	"CONFIG_VIRTIO_INPUT":    {"virtio_input"},
	"CONFIG_WIREGUARD":       {"wireguard"},
	"CONFIG_X86_MSR":         {"msr"},
	"CONFIG_XFRM_USER":       {"xfrm_user", "seqiv", "gcm", "ccm", "ctr", "ghash_generic", "chacha20poly1305", "cmac", "authenc", "crypto_null", "sha512_generic", "jitterentropy_rng", "drbg"},
}

// ModulesOf lists the modules that provide what a symbol (CONFIG_X) switches on, in
// a kernel that has it set to m; nil if the lab knows none.
func ModulesOf(symbol string) []string { return modulesOf[symbol] }
