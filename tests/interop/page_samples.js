// usage: node page_samples.js DIR PORT-FILE: serves what page_sample wrote to DIR, with the page's
// own policy and assets; /live is never answered.
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");

const [dir, port_file] = process.argv.slice(2);
const assets = path.join(__dirname, "../../metrics-agent/page");
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const types = { ".css": "text/css", ".js": "text/javascript", ".html": "text/html" };

const server = http.createServer((request, response) => {
  const name = path.basename(new URL(request.url, "http://localhost").pathname);
  if (name === "live") return;
  const file = /\.(css|js)$/.test(name) ? path.join(assets, name) : path.join(dir, `${name}.html`);
  if (!fs.existsSync(file)) return void response.writeHead(404).end();
  response.writeHead(200, {
    "Content-Type": `${types[path.extname(file)]}; charset=utf-8`,
    "Content-Security-Policy": policy,
  });
  response.end(fs.readFileSync(file));
});
server.listen(0, "127.0.0.1", () => fs.writeFileSync(port_file, String(server.address().port)));
