"""What the viewer shows, without the viewer: samples, walks and facts as pieces of HTML, every text in them escaped."""
