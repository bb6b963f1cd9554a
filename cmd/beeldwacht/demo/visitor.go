package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Visitor is a person at the desk, without a browser: it reads the pages and fills in their forms as they stand there.
type Visitor struct {
	Base   string // http://localhost:8480
	client *http.Client
}

// NewVisitor comes in without having logged in. trust is whose certificates are believed; nil: the machine's.
func NewVisitor(base string, trust *x509.CertPool) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &Visitor{Base: base, client: &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}}}, nil
}

// Page is a page as it was read.
type Page struct {
	Path   string
	Status int
	Text   string // what a person reads, one space between words
	node   *html.Node
}

// Get reads a page.
func (v *Visitor) Get(ctx context.Context, path string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url(path), nil)
	if err != nil {
		return nil, err
	}
	return v.do(req)
}

// Fetch downloads a file.
func (v *Visitor) Fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url(path), nil)
	if err != nil {
		return nil, err
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return b, err
}

// Submit fills in the form on a page whose action ends in action, and posts it. Fields that are not given keep what the page has put in them. A value
// for a check box or radio button chooses it.
func (v *Visitor) Submit(ctx context.Context, p *Page, action string, fields url.Values) (*Page, error) {
	form := find(p.node, func(n *html.Node) bool { return n.Data == "form" && strings.HasSuffix(attr(n, "action"), action) })
	if form == nil {
		return nil, fmt.Errorf("%s: no form %q on the page: %.300s", p.Path, action, p.Text)
	}
	values := url.Values{}
	names := map[string]bool{}
	walk(form, func(n *html.Node) {
		name := attr(n, "name")
		if name == "" {
			return
		}
		names[name] = true
		switch {
		case n.Data == "input":
			kind := attr(n, "type")
			if (kind == "checkbox" || kind == "radio") && !has(n, "checked") || kind == "submit" {
				return
			}
			values.Add(name, attr(n, "value"))
		case n.Data == "textarea":
			values.Add(name, text(n))
		case n.Data == "select":
			chosen := ""
			walk(n, func(o *html.Node) {
				if o.Data == "option" && (has(o, "selected") || chosen == "") {
					if chosen = attr(o, "value"); !has(o, "value") {
						chosen = text(o)
					}
				}
			})
			values.Add(name, chosen)
		}
	})
	for name, list := range fields {
		if !names[name] {
			return nil, fmt.Errorf("%s: form %q has no field %q", p.Path, action, name)
		}
		values[name] = list
	}
	target, err := url.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(v.url(p.Path))
	if err != nil {
		return nil, err
	}
	return v.post(ctx, base.ResolveReference(target).String(), values)
}

// Post sends a form that no page offers, with the session's token from page p: what somebody tries who does not like the form they got.
func (v *Visitor) Post(ctx context.Context, p *Page, path string, values url.Values) (*Page, error) {
	values.Set("csrf", p.Value("csrf"))
	return v.post(ctx, v.url(path), values)
}

// Upload posts a form with a file.
func (v *Visitor) Upload(ctx context.Context, p *Page, path, field, name string, content []byte) (*Page, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("csrf", p.Value("csrf"))
	if err != nil {
		return nil, err
	}
	part, err := form.CreateFormFile(field, name)
	if err != nil {
		return nil, err
	}
	if _, err := part.Write(content); err != nil {
		return nil, err
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url(path), &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return v.do(req)
}

func (v *Visitor) post(ctx context.Context, to string, values url.Values) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(req)
}

// Links are the paths a page links to that contain part.
func (p *Page) Links(part string) []string {
	var links []string
	walk(p.node, func(n *html.Node) {
		if href := attr(n, "href"); n.Data == "a" && strings.Contains(href, part) {
			links = append(links, href)
		}
	})
	return links
}

// Has says whether the page has a form whose action ends in action.
func (p *Page) Has(action string) bool {
	return find(p.node, func(n *html.Node) bool { return n.Data == "form" && strings.HasSuffix(attr(n, "action"), action) }) != nil
}

// Value is what the page has put in a field.
func (p *Page) Value(name string) string {
	if n := find(p.node, func(n *html.Node) bool { return attr(n, "name") == name }); n != nil {
		return attr(n, "value")
	}
	return ""
}

// Values are all that the page has put in fields of a name.
func (p *Page) Values(name string) (list []string) {
	walk(p.node, func(n *html.Node) {
		if attr(n, "name") == name {
			list = append(list, attr(n, "value"))
		}
	})
	return list
}

func (v *Visitor) url(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return v.Base + path
}

func (v *Visitor) do(req *http.Request) (*Page, error) {
	res, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	node, err := html.Parse(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	p := &Page{Path: res.Request.URL.RequestURI(), Status: res.StatusCode, node: node}
	if main := find(node, func(n *html.Node) bool { return n.Data == "main" }); main != nil {
		p.Text = text(main)
	} else {
		p.Text = text(node)
	}
	return p, nil
}

func walk(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

func find(n *html.Node, match func(*html.Node) bool) *html.Node {
	if n.Type == html.ElementNode && match(n) {
		return n
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if found := find(c, match); found != nil {
			return found
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	var words []string
	var collect func(*html.Node)
	collect = func(n *html.Node) {
		if n.Type == html.TextNode {
			words = append(words, strings.Fields(n.Data)...)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Data != "script" && c.Data != "style" {
				collect(c)
			}
		}
	}
	collect(n)
	return strings.Join(words, " ")
}
