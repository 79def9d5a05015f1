package diagnostics

import (
	"embed"
	"net/http"
	"path"
	"strconv"
)

// The page is files as they are written: no build step, and nothing from
// elsewhere. uPlot (https://github.com/leeoniya/uPlot, 1.6.32) is vendored
// whole; page.html pins it by hash.
//
//go:embed page
var page embed.FS

// pageFiles are the files of the page by path. Its links are relative, so that
// a host may be mounted below a prefix.
var pageFiles = map[string]string{
	"/diagnostics/{$}":               "page.html",
	"/diagnostics/page.css":          "page.css",
	"/diagnostics/page.js":           "page.js",
	"/diagnostics/uPlot.min.css":     "uPlot.min.css",
	"/diagnostics/uPlot.iife.min.js": "uPlot.iife.min.js",
	"/diagnostics/uPlot.LICENSE":     "uPlot.LICENSE",
}

// pageTypes are the types by extension; the tables of machines differ.
var pageTypes = map[string]string{
	".html":    "text/html; charset=utf-8",
	".css":     "text/css; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".LICENSE": "text/plain; charset=utf-8",
}

// policy lets the page load its own files, talk to its own host, and nothing
// else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePage answers with one file of the page.
func servePage(name string) http.HandlerFunc {
	body, err := page.ReadFile("page/" + name)
	if err != nil {
		panic(err) //nolint:forbidigo // pageFiles names what is not embedded
	}
	kind := pageTypes[path.Ext(name)]

	return func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", kind)
		header.Set("Content-Length", strconv.Itoa(len(body)))
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-cache")
		_, _ = w.Write(body) // to a client that may be gone
	}
}
