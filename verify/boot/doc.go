// Package boot says whether the system in an image starts: it runs the image on a
// virtual machine like the target's ([Run]), reads what the machine says and shows,
// and draws the verdict.
//
// # What is looked at
//
// The serial console, the debug port of SeaBIOS, the text memory of a screen that is
// in text mode, the packets of the network card, and the answer of port 22. Where the
// guest speaks in pictures alone (a graphical menu, a framebuffer's console) nothing of
// it is read: a picture is kept for people.
//
// # What a verdict means
//
// Pass: a login prompt was there, or SSH answered. Fail: what was seen is known to be
// a system that does not start ([Kind]). Unknown: neither within the time. That a
// machine is slow, or says nothing, is never a failure of the image's.
//
// # What it proves, and what not
//
// The disk and its controller, the firmware and the network card are as the target
// has them where QEMU has such ones; [Machine].Notes say where it has not. The guest
// has no way out to any network but an answering DHCP server, and no data source for
// cloud-init. Nothing is written to the image.
package boot
