"""The one gate before anything is public: pure rules over facts that the caller brings, and verdicts that are stored before they are said."""
