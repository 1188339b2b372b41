using System.Text.RegularExpressions;

namespace PeftCore.Peft;

/// <summary>A regular expression of a configuration that must match whole module paths. It comes from an untrusted file, so it may be
/// invalid, and matching has a time limit. Python's syntax for named groups and for the end of the text is translated.</summary>
internal sealed class PathPattern
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly Regex _regex;
    private readonly string _pattern;
    private readonly string _field;

    /// <param name="pattern">The expression.</param>
    /// <param name="field">The configuration's field, for error sentences.</param>
    /// <param name="form">A surrounding expression in which {0} is replaced by the pattern.</param>
    /// <exception cref="BadInputException">The pattern is not a valid regular expression.</exception>
    public PathPattern(string pattern, string field, string form = "{0}")
    {
        (_pattern, _field) = (pattern, field);
        string native = pattern.Replace("(?P<", "(?<", StringComparison.Ordinal).Replace("\\Z", "\\z", StringComparison.Ordinal);
        try
        {
            // The pattern is compiled alone first, because "a)|(b" must not become valid inside the form.
            _ = new Regex(native, RegexOptions.CultureInvariant, Timeout);
            _regex = new Regex($@"\A(?:{form.Replace("{0}", $"(?:{native})", StringComparison.Ordinal)})\z", RegexOptions.CultureInvariant,
                Timeout);
        }
        catch (ArgumentException e)
        {
            throw new BadInputException($"{field}: \"{pattern}\" is not a regular expression: {e.Message}", e);
        }
    }

    /// <summary>Whether a whole path matches.</summary>
    public bool Matches(string path) => Match(path).Success;

    /// <summary>The match of a whole path.</summary>
    public Match Match(string path)
    {
        try
        {
            return _regex.Match(path);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new BadInputException(
                $"{_field}: matching \"{_pattern}\" against \"{path}\" takes too long; write the expression without nested repetition", e);
        }
    }
}
