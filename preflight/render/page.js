document.documentElement.classList.add('js');
copyButtons(document);
