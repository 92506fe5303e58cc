package peer

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseSecret(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i * 7)
	}
	longer := slices.Concat(key, []byte{1})
	base := base64.StdEncoding.EncodeToString(key)
	tests := map[string]struct {
		text string
		key  []byte // nil: a passphrase
		err  string
	}{
		"hex":                          {text: hex.EncodeToString(key), key: key},
		"hex in capitals":              {text: strings.ToUpper(hex.EncodeToString(key)), key: key},
		"base64":                       {text: base, key: key},
		"base64 without padding":       {text: strings.TrimRight(base, "="), key: key},
		"base64 of the other alphabet": {text: base64.URLEncoding.EncodeToString(key), key: key},
		"space around":                 {text: "\n " + base + "\t\r\n", key: key},
		"more than 32 bytes":           {text: hex.EncodeToString(longer), key: longer},
		"passphrase":                   {text: "correct horse battery staple"},
		"long words without a space":   {text: strings.Repeat("correcthorsebatterystaple", 3)},
		"umlauts":                      {text: "zwölf Boxkämpfer jagen"},
		"empty":                        {text: " ", err: "at least 32 bytes"},
		"short":                        {text: "fifteen letters", err: "passphrase of at least 16 characters"},
		"hex that lost a digit":        {text: hex.EncodeToString(key)[1:], err: "looks like hexadecimal"},
		"hex that lost a byte":         {text: hex.EncodeToString(key)[2:], err: "it has 62"},
		"base64 that lost its end":     {text: base[:40], err: "looks like base64"},
		"base64 of 16 bytes":           {text: base64.StdEncoding.EncodeToString(key[:28]), err: "at least 32 bytes (43 characters)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSecret(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error is %v, want %q in it", err, tt.err)
				}
				if long := strings.TrimSpace(tt.text); len(long) > 3 && strings.Contains(err.Error(), long) {
					t.Errorf("the error repeats the secret: %v", err)
				}
				return
			}
			if err != nil || !bytes.Equal(s.key, tt.key) {
				t.Fatalf("key %x, %v; want %x", s.key, err, tt.key)
			}
			again, err := ParseSecret(s.Text())
			if err != nil || again.Derive("prod", "x") != s.Derive("prod", "x") {
				t.Errorf("its text is another secret: %v", err)
			}
		})
	}
}

func TestSecretIsRedacted(t *testing.T) {
	t.Parallel()
	s, err := ParseSecret("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(struct{ S *Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %v", s, s, s, s, s, struct{ S *Secret }{s}) + string(encoded)
	if strings.Contains(all, "horse") || strings.Contains(all, fmt.Sprintf("%x", "horse")) {
		t.Error(all)
	}
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	for range 5000 {
		s := NewSecret()
		if again, err := ParseSecret(s.Text()); err != nil || len(s.key) != 32 || !bytes.Equal(again.key, s.key) {
			t.Fatalf("a new secret is read as another one: %v", err)
		}
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	s := secretOf(t, "a")
	same := map[[32]byte]string{}
	for _, in := range [][2]string{{"prod", "dgate/kek/v1"}, {"prod", "dgate/raft/ca/v1"}, {"test", "dgate/kek/v1"}} {
		key := s.Derive(in[0], in[1])
		if before, ok := same[key]; ok {
			t.Errorf("%v gives the same as %s", in, before)
		}
		same[key] = fmt.Sprint(in)
	}
	// What was derived once must be so for ever.
	if got := hex.EncodeToString(first(s.Derive("prod", "dgate/kek/v1"))); got != "9d7c8b2a9fbcf1ff" {
		t.Errorf("derived from a key: %s", got)
	}
	passphrase, err := ParseSecret("correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(first(passphrase.Derive("prod", "dgate/kek/v1"))); got != "8c659072b38f032a" {
		t.Errorf("derived from a passphrase: %s", got)
	}
}

func first(key [32]byte) []byte { return key[:8] }

func TestToken(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, "a").Text()
	tests := map[string]struct {
		text string
		want Token
		err  string
	}{
		"one address":         {text: "dgate1:prod:" + secret + ":10.0.0.1:7373", want: Token{"prod", secret, []string{"10.0.0.1:7373"}}},
		"two, and IPv6":       {text: "dgate1:prod:" + secret + ":a.example:1,[::1]:7373\n", want: Token{"prod", secret, []string{"a.example:1", "[::1]:7373"}}},
		"a passphrase":        {text: "dgate1:prod:a+pass%3Aphrase+%2B+more:a:1", want: Token{"prod", "a pass:phrase + more", []string{"a:1"}}},
		"nothing":             {err: `must begin with "dgate1:"`},
		"a later version":     {text: "dgate2:prod:x", err: `its format is "dgate2"`},
		"something else":      {text: "K10abc::server:xyz", err: "`dgate-cli cluster token` prints one"},
		"cut off":             {text: "dgate1:prod:" + secret, err: "a part is missing"},
		"no port":             {text: "dgate1:prod:" + secret + ":10.0.0.1", err: `"10.0.0.1" must be host:port`},
		"no address":          {text: "dgate1:prod:" + secret + ":", err: `"" must be host:port`},
		"no cluster":          {text: "dgate1::" + secret + ":a:1", err: "the name of the cluster"},
		"damaged cluster":     {text: "dgate1:%zz:" + secret + ":a:1", err: "damaged"},
		"damaged secret":      {text: "dgate1:prod:" + secret[:30] + "%:a:1", err: "the secret is damaged"},
		"a part of a secret":  {text: "dgate1:prod:abc:a:1", err: "token: the secret must be"},
		"a name with a slash": {text: "dgate1:a%2Fb:" + secret + ":a:1", err: "letters, digits, hyphens"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseToken(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Fatalf("got %v, %v", got, err)
			}
			if again, err := ParseToken(got.String()); err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
				t.Errorf("%s is read as %v, %v", got, again, err)
			}
		})
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("dgate1:prod:" + strings.Repeat("0a", 32) + ":10.0.0.1:7373,[::1]:1")
	f.Add("dgate1:prod:a+pass%3Aphrase+%2B+more:a:1")
	f.Add("dgate2:x")
	f.Add("dgate1:%:%:")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			t.Skip()
		}
		again, err := ParseToken(token.String())
		if err != nil || again.Cluster != token.Cluster || again.Secret != token.Secret || len(again.Addresses) != len(token.Addresses) {
			t.Errorf("%q is read as %+v, which is written as %q and read as %+v, %v", text, token, token, again, err)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	for _, text := range []string{"", "correct horse battery staple", strings.Repeat("0a", 32), strings.Repeat("aA1/", 11), "===", strings.Repeat("é", 16)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := ParseSecret(text)
		if err != nil {
			if trimmed := strings.TrimSpace(text); len(trimmed) > 20 && utf8.ValidString(trimmed) && strings.Contains(err.Error(), trimmed) {
				t.Errorf("the error repeats the secret: %v", err)
			}
			return
		}
		again, err := ParseSecret(secret.Text())
		if err != nil || !bytes.Equal(again.key, secret.key) || again.Text() != secret.Text() {
			t.Errorf("%q has the text %q, which is another secret, %v", text, secret.Text(), err)
		}
	})
}
