// copyButtons gives each block of commands a button that copies them.
function copyButtons(within) {
  'use strict';
  var root = document.documentElement;
  function select(node) {
    var range = document.createRange();
    range.selectNodeContents(node);
    var s = window.getSelection();
    s.removeAllRanges();
    s.addRange(range);
  }
  Array.prototype.forEach.call(within.querySelectorAll('.cmd'), function (box) {
    var pre = box.querySelector('pre');
    var button = document.createElement('button');
    button.type = 'button';
    button.textContent = root.getAttribute('data-copy');
    function done() {
      button.textContent = root.getAttribute('data-copied');
      setTimeout(function () { button.textContent = root.getAttribute('data-copy'); }, 1500);
    }
    function plain() {
      select(pre);
      if (document.execCommand('copy')) { done(); }
    }
    button.addEventListener('click', function () {
      if (navigator.clipboard) {
        navigator.clipboard.writeText(pre.textContent).then(done, plain);
      } else {
        plain();
      }
    });
    box.appendChild(button);
  });
}
