// How a page without a server runs the curve: its table lies in the page, and nobody listens.

const page = document.querySelector('section.curve');
const table = JSON.parse(document.getElementById('optlab-curve').textContent);
const live = startCurve(null);
for (const part of ['tiles', 'knobs', 'chart']) live.attach(part, page);
live.take(table, table.stands);
