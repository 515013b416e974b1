package scenarios

import (
	"context"
	"fmt"

	"github.com/ldlab/ldlab/scenarios/internal/xfrm"
)

func init() { register("xfrm", xfrmScenario) }

// Keys of associations go to user space in four attributes, in answers and in
// notifications. Lockdown is checked once for each algorithm. A denial is no error, but
// a key of zeros: net/xfrm/xfrm_user.c:xfrm_redact and copy_to_user_{auth,aead,ealg},
// v6.12. Adding and deleting an association sends a notification, whether or not
// anybody listens, so it is checked, too.
func xfrmScenario() Scenario {
	const site = "net/xfrm/xfrm_user.c:xfrm_redact"
	needs := []string{"CONFIG_XFRM_USER", "CONFIG_INET_ESP"}
	s := Scenario{Name: "xfrm", Title: "read the keys of IPsec associations"}
	for _, p := range []struct {
		name  string
		way   xfrm.Way
		algs  []xfrm.Alg
		look  []xfrm.Attr
		lines int
	}{
		{"getsa-auth", xfrm.Get, xfrm.AuthOnly, []xfrm.Attr{xfrm.AttrAuth}, 6},
		{"getsa-auth-trunc", xfrm.Get, xfrm.AuthOnly, []xfrm.Attr{xfrm.AttrAuthTrunc}, 6},
		{"getsa-crypt", xfrm.Get, xfrm.Ciphered, []xfrm.Attr{xfrm.AttrCrypt}, 3},
		{"getsa-aead", xfrm.Get, xfrm.Combined, []xfrm.Attr{xfrm.AttrAEAD}, 3},
		{"dump", xfrm.Dump, xfrm.Both, []xfrm.Attr{xfrm.AttrAuth, xfrm.AttrAuthTrunc, xfrm.AttrCrypt}, 6},
		{"dump-aead", xfrm.Dump, xfrm.Combined, []xfrm.Attr{xfrm.AttrAEAD}, 3},
		{"notify-new", xfrm.NotifyNew, xfrm.Both, []xfrm.Attr{xfrm.AttrAuth, xfrm.AttrAuthTrunc, xfrm.AttrCrypt}, 4},
		{"notify-upd", xfrm.NotifyUpdate, xfrm.Both, []xfrm.Attr{xfrm.AttrAuth, xfrm.AttrAuthTrunc, xfrm.AttrCrypt}, 6},
		{"notify-del", xfrm.NotifyDelete, xfrm.Both, []xfrm.Attr{xfrm.AttrAuth, xfrm.AttrAuthTrunc, xfrm.AttrCrypt}, 4},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: fmt.Sprintf("%s of an ESP association", p.way.Call), Reason: "xfrm_secret"},
			Where:    Where{Site: site, Needs: needs},
			Schedule: Schedule{Lines: p.lines},
			Act: Act{
				Do:   func(ctx context.Context, _ Env) Report { return xfrm.ProbeKeys(ctx, p.way, p.algs, p.look...) },
				More: func(ctx context.Context, _ Env) []Variant { return xfrm.MoreKeys(ctx, p.way, p.algs, p.look...) },
			},
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			// The algorithm and the length of its key may be known.
			Claim: Claim{Name: "getsa-name", Call: xfrm.Get.Call + " of an ESP association: its algorithm", Expect: Unchecked, Reason: "xfrm_secret"},
			Where: Where{Site: "net/xfrm/xfrm_user.c:copy_to_user_aead", Needs: needs},
			Act: Act{Do: func(ctx context.Context, _ Env) Report {
				return xfrm.Probe(ctx, xfrm.Get, xfrm.Combined, func(attrs map[uint16][]byte) Report { return xfrm.JudgeName(xfrm.GCM, attrs) })
			}},
		},
		Probe{
			Claim: Claim{
				Name:   "pfkey",
				Call:   "SADB_DUMP of an ESP association",
				Expect: Gap,
				Class:  Bug,
				Source: "net/key/af_key.c:pfkey_xfrm_state2msg, v6.12: the older interface to the same associations copies keys and does not check",
				Reason: "xfrm_secret",
			},
			Where: Where{Site: "net/key/af_key.c:pfkey_dump", Needs: append(needs[:2:2], "CONFIG_NET_KEY")},
			Act:   Act{Do: func(ctx context.Context, _ Env) Report { return xfrm.PFKeyProbe(ctx) }},
		},
	)
	return s
}
