package hook

import (
	"net/http"
	"strings"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// setCookie is response.cookie(name, value, options).
func setCookie(c *vmCache, call goja.FunctionCall) goja.Value {
	f := c.current()
	name := call.Argument(0).String()
	if !httpguts.ValidHeaderFieldName(name) {
		f.vm.ThrowType("response.cookie: %q is not a valid name of a cookie", name)
	}
	cookie := &http.Cookie{Name: name, Value: cookieText(native.Text(call.Argument(1)))}
	if v := call.Argument(2); !goja.IsUndefined(v) && !goja.IsNull(v) {
		options, ok := v.(*goja.Object)
		if !ok {
			f.vm.ThrowType("response.cookie: expected an object of options, got %s", native.TypeName(v))
		}
		f.cookieOptions(cookie, options)
	}
	http.SetCookie(f.s.w, cookie)
	return f.response()
}

// cookieText drops the bytes that no value of a cookie may have.
func cookieText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || r == '"' || r == ';' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

func (f *frame) cookieOptions(cookie *http.Cookie, options *goja.Object) {
	given := func(name string) goja.Value {
		v := options.Get(name)
		if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
			return nil
		}
		return v
	}
	if v := given("domain"); v != nil {
		cookie.Domain = cookieText(v.String())
	}
	if v := given("path"); v != nil {
		cookie.Path = cookieText(v.String())
	}
	if v := given("maxAge"); v != nil {
		n := v.ToNumber().ToFloat()
		if n != n || n > 1<<31 || n < -(1<<31) {
			f.vm.ThrowType("response.cookie: maxAge is %s, expected seconds", v.String())
		}
		cookie.MaxAge = int(n)
		if cookie.MaxAge <= 0 { // an age of zero means now, which http.Cookie spells as a negative one
			cookie.MaxAge = -1
		}
	}
	if v := given("expires"); v != nil {
		cookie.Expires = f.cookieTime(v)
	}
	cookie.Secure = truthy(given("secure"))
	cookie.HttpOnly = truthy(given("httpOnly"))
	cookie.Partitioned = truthy(given("partitioned"))
	if v := given("sameSite"); v != nil {
		switch strings.ToLower(v.String()) {
		case "lax":
			cookie.SameSite = http.SameSiteLaxMode
		case "strict", "true":
			cookie.SameSite = http.SameSiteStrictMode
		case "none":
			cookie.SameSite = http.SameSiteNoneMode
		case "", "default", "false":
		default:
			f.vm.ThrowType(`response.cookie: sameSite is %q, expected "lax", "strict" or "none"`, v.String())
		}
	}
}

func truthy(v goja.Value) bool { return v != nil && v.ToBoolean() }

// cookieTime reads a Date, the text of a time, or milliseconds since 1970.
func (f *frame) cookieTime(v goja.Value) time.Time {
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() == "Date" {
		if t, ok := obj.Export().(time.Time); ok {
			return t
		}
	}
	if goja.IsNumber(v) {
		return time.UnixMilli(v.ToInteger())
	}
	if goja.IsString(v) {
		for _, layout := range []string{time.RFC3339, http.TimeFormat, time.RFC1123Z} {
			if t, err := time.Parse(layout, v.String()); err == nil {
				return t
			}
		}
	}
	f.vm.ThrowType("response.cookie: expires is %s, expected a Date", v.String())
	return time.Time{}
}

// getCookie is response.getCookie(name): a cookie of the request, or null.
func getCookie(c *vmCache, call goja.FunctionCall) goja.Value {
	f := c.current()
	cookie, err := f.s.r.Cookie(call.Argument(0).String())
	if err != nil {
		return goja.Null()
	}
	return c.cookie(cookie)
}

// getCookies is response.getCookies(): all cookies of the request.
func getCookies(c *vmCache, _ goja.FunctionCall) goja.Value {
	return c.cookies(c.current().s.r.Cookies())
}

func (c *vmCache) cookies(list []*http.Cookie) goja.Value {
	items := make([]any, len(list))
	for i, cookie := range list {
		items[i] = c.cookie(cookie)
	}
	return c.rt.NewArray(items...)
}

// cookie is a plain object with the fields that scripts know cookies by.
func (c *vmCache) cookie(cookie *http.Cookie) goja.Value {
	obj := c.rt.NewObject()
	set := func(name string, v any) { _ = obj.Set(name, v) } // a new plain object takes everything
	set("name", cookie.Name)
	set("value", cookie.Value)
	set("path", cookie.Path)
	set("domain", cookie.Domain)
	set("maxAge", cookie.MaxAge)
	set("secure", cookie.Secure)
	set("httpOnly", cookie.HttpOnly)
	set("sameSite", sameSite(cookie.SameSite))
	if cookie.Expires.IsZero() {
		set("expires", goja.Null())
	} else {
		set("expires", native.Construct(c.vm, "Date", c.rt.ToValue(cookie.Expires.UnixMilli())))
	}
	return obj
}

func sameSite(mode http.SameSite) string {
	switch mode {
	case http.SameSiteLaxMode:
		return "lax"
	case http.SameSiteStrictMode:
		return "strict"
	case http.SameSiteNoneMode:
		return "none"
	}
	return ""
}
