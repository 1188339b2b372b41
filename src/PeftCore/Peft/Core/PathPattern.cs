using System.Text.RegularExpressions;

namespace PeftCore.Peft;

/// <summary>A regular expression from a configuration, for module paths. It comes from outside, so it may be wrong or take for ever.
/// Configurations are written for Python, whose spelling of named groups and of the end of the text is understood as well.</summary>
internal sealed class PathPattern
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly Regex _regex;
    private readonly string _pattern;
    private readonly string _field;

    /// <param name="pattern">The expression.</param>
    /// <param name="field">Where it stands, for error sentences.</param>
    /// <param name="form">What it stands in, as {0}; the whole path must match.</param>
    /// <exception cref="BadInputException">It is not a regular expression.</exception>
    public PathPattern(string pattern, string field, string form = "{0}")
    {
        (_pattern, _field) = (pattern, field);
        string native = pattern.Replace("(?P<", "(?<", StringComparison.Ordinal).Replace("\\Z", "\\z", StringComparison.Ordinal);
        try
        {
            // By itself: "a)|(b" must not become valid by what stands around it.
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

    /// <summary>How a whole path matches.</summary>
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
