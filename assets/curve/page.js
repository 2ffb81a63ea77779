// How a page without a server runs the curve: its table lies in the page, and nobody listens.

const page = document.querySelector('section.curve');
const table = JSON.parse(document.getElementById('optlab-curve').textContent);
startCurve(page, null).take(table, table.stands);
