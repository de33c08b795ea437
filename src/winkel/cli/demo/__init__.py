"""winkel demo: Lumen AI, a believable company.

company.py what it sells and to whom · traffic.py what its customers do (pure) · check.py what that costs, computed a
second way (pure) · stage.py a Winkel to play on · view.py what one sees · command.py the play.
"""
