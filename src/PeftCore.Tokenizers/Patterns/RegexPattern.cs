using System.Text.RegularExpressions;

namespace PeftCore.Tokenizers;

/// <summary>Finds a regular expression written for Oniguruma, one code point at a time, with .NET's engine.</summary>
internal sealed class RegexPattern : IPattern
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(0.5);
    private readonly string _source;
    private readonly Lazy<Regex> _basic;
    private readonly Lazy<(Regex Regex, CodePointRemapper Remapper)> _full;

    public RegexPattern(string source)
    {
        _source = source;
        var root = RegexParser.Parse(source);
        _basic = new(() => Compile(RegexWriter.Write(root, null)));
        _full = new(() =>
        {
            var remapper = new CodePointRemapper(RegexWriter.Sets(root));
            return (Compile(RegexWriter.Write(root, remapper)), remapper);
        });
    }

    public void FindMatches(ReadOnlySpan<char> text, List<TextSpan> matches)
    {
        if (!CodePointRemapper.Needed(text))
        {
            Find(_basic.Value, text, [], matches);
            return;
        }

        var (regex, remapper) = _full.Value;
        var (replaced, positions) = remapper.Replace(text);
        Find(regex, replaced, positions, matches);
    }

    private void Find(Regex regex, ReadOnlySpan<char> text, ReadOnlySpan<int> positions, List<TextSpan> matches)
    {
        try
        {
            int previous = -1;
            foreach (var match in regex.EnumerateMatches(text))
            {
                var (start, end) = (match.Index, match.Index + match.Length);
                // Oniguruma's callers do not take an empty match right after another match.
                if (start != end || start != previous)
                {
                    matches.Add(positions.IsEmpty ? new TextSpan(start, end) : new TextSpan(positions[start], positions[end]));
                }

                previous = end;
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new BadInputException(
                $"The tokenizer's regular expression \"{_source}\" takes longer than {Patience.TotalMilliseconds:0} ms on "
                + "this text; rewrite it so that it cannot backtrack without end.", e);
        }
    }

    private Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, Patience);
        }
        catch (ArgumentException e)
        {
            throw new BadInputException($"The tokenizer's regular expression \"{_source}\" cannot be used: {e.Message}", e);
        }
    }
}
