package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/scenarios/internal/secrets"
)

func init() { register("secrets", secretsScenario) }

// xfrm_secret hides the keys of IPsec only (c7a5899eb26e, for FIPS 140-2). These
// parts of the kernel give a key of the same kind back to root. No lockdown reason
// has them, and none was proposed: the calls exist to give the key back, and user
// space gave it to the kernel. Each probe reads the key that it gave before.
// movedSecrets are the places of gaps that other versions have elsewhere: 6.18.12 has
// the old name, 7.2.8 the new one.
var movedSecrets = map[string][]Moved{"wireguard": {{Since: "7.2", Site: "drivers/net/wireguard/netlink.c:wg_get_device_dumpit"}}}

func secretsScenario() Scenario {
	s := Scenario{Name: "secrets", Title: "read keys of the kernel other than those of IPsec"}
	for _, p := range []struct {
		name, call, site, source string
		needs                    []string
		read                     func() Report
		apart                    bool
	}{
		{"wireguard", secrets.WireGuardCall, "drivers/net/wireguard/netlink.c:wg_get_device_dump",
			"puts WGDEVICE_A_PRIVATE_KEY, for wg(8) showconf", []string{"CONFIG_WIREGUARD", "CONFIG_NET_NS"}, secrets.WireGuard, true},
		{"tcp-md5", secrets.MD5Call, "net/ipv4/tcp_diag.c:tcp_diag_put_md5sig",
			"puts each key of the socket if the task has CAP_NET_ADMIN", []string{"CONFIG_TCP_MD5SIG", "CONFIG_INET_TCP_DIAG"}, secrets.MD5, false},
		{"ktls", secrets.TLSCall, "net/tls/tls_main.c:do_tls_getsockopt_conf",
			"copies the key of the connection to its owner", []string{"CONFIG_TLS", "CONFIG_NET_NS"}, secrets.TLS, true},
		{"dm-crypt", secrets.DMCryptCall, "drivers/md/dm-crypt.c:crypt_status",
			"prints the key in the table, unless it is in a keyring", []string{"CONFIG_BLK_DEV_DM", "CONFIG_DM_CRYPT"}, secrets.DMCrypt, false},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{
				Name: p.name, Call: p.call, Reason: "xfrm_secret", Expect: Gap, Class: ByDesign,
				Source: p.site + " " + p.source + ", v6.12",
			},
			Where: Where{Site: p.site, Moved: movedSecrets[p.name], Needs: p.needs},
			Act:   Act{Do: func(context.Context, Env) Report { return p.read() }, Apart: p.apart},
		})
	}
	return s
}
