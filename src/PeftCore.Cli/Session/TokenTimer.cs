using System.Globalization;

namespace PeftCore.Cli.Session;

/// <summary>The rate of a generation. The first token also takes the reading of the prompt and the just-in-time compilation of the code, so
/// the rate is that of the tokens after it.</summary>
/// <param name="elapsed">The time since the generation began.</param>
internal sealed class TokenTimer(Func<TimeSpan> elapsed)
{
    private TimeSpan _first, _last;
    private int _tokens;

    /// <summary>Seconds until the first token; null if there was none, or if all came at the end.</summary>
    public double? FirstToken => _tokens > 0 && _first > TimeSpan.Zero ? _first.TotalSeconds : null;

    /// <summary>Tokens a second after the first; null for fewer than two tokens.</summary>
    public double? Rate => _tokens > 1 && _last > _first ? (_tokens - 1) / (_last - _first).TotalSeconds : null;

    /// <summary>Counts a token that was just generated.</summary>
    public void Count()
    {
        _last = elapsed();
        _first = _tokens == 0 ? _last : _first;
        _tokens++;
    }

    /// <summary>Takes the whole time for all tokens, as for beam search, which has none before the end.</summary>
    public void CountAtEnd(int tokens) => (_first, _last, _tokens) = (TimeSpan.Zero, elapsed(), tokens + 1);

    /// <summary>"20 tokens, 143 tok/s, the first after 0.31 s with the 5 of the prompt".</summary>
    /// <param name="tokens">New tokens.</param>
    /// <param name="promptTokens">Tokens of the prompt.</param>
    public string Text(int tokens, int promptTokens)
    {
        string?[] parts =
        [
            $"{tokens} {(tokens == 1 ? "token" : "tokens")}",
            Rate is { } rate ? string.Create(CultureInfo.InvariantCulture, $"{rate:N0} tok/s") : null,
            FirstToken is not { } first ? null
                : string.Create(CultureInfo.InvariantCulture, $"the first after {first:0.00} s with the {promptTokens} of the prompt"),
        ];
        return string.Join(", ", parts.OfType<string>());
    }
}
