// What the site adds to docfx's modern template: source files open as pages. Servers send .cs files as downloads, so a link to one leads to
// source-file.html, which reads the file and colours it.

const site = document.querySelector('meta[name="docfx:rel"]')?.content ?? ''
let highlighter

export default {
  configureHljs: hljs => { highlighter = hljs },
  start() {
    for (const link of document.querySelectorAll('article a[href$=".cs"]')) {
      const path = link.pathname.slice(new URL(site || '.', location.href).pathname.length)
      link.href = `${site}source-file.html?path=${encodeURIComponent(path)}`
    }
    const code = document.querySelector('#source-file code')
    if (code) {
      show(code, new URLSearchParams(location.search).get('path') ?? '')
    }
  }
}

/** Shows a source file of this site in an element. Other addresses and other kinds of file are refused. */
async function show(code, path) {
  const file = new URL(path, new URL(site || '.', location.href))
  const root = new URL(site || '.', location.href)
  if (!file.href.startsWith(root.href) || !file.pathname.endsWith('.cs')) {
    code.textContent = 'No source file is named. Links on the other pages name one.'
    return
  }
  const answer = await fetch(file).catch(() => null)
  code.textContent = answer?.ok ? await answer.text() : `${path} cannot be read.`
  document.querySelector('article h1').textContent = path.replace(/^source\//, '')
  code.className = 'lang-csharp'
  highlighter?.highlightElement(code)
}
