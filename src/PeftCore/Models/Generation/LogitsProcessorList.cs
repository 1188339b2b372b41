namespace PeftCore.Models.Generation;

/// <summary>The processors of logits that look at the sequence so far, in the order of transformers. Sampling applies its own after them
/// (<see cref="TokenChooser"/>), and beam search applies these to log-probabilities.</summary>
internal sealed class LogitsProcessorList
{
    /// <summary>The error message for options that exclude every token.</summary>
    public const string NothingLeft = "no token may follow: bad_words_ids, suppress_tokens, no_repeat_ngram_size and min_length together " +
        "exclude all of them; lower one of them";

    private readonly GenerationOptions _options;
    private readonly int _promptLength;
    private readonly int _maxLength;
    private readonly int[] _encoderIds;
    private readonly int[][] _badWords;
    private readonly TimestampRules? _timestamps;

    /// <param name="options">Which processors apply.</param>
    /// <param name="promptLength">Tokens that the decoder reads before the first new one.</param>
    /// <param name="maxLength">Maximum length of a sequence, the prompt included.</param>
    /// <param name="encoderIds">The tokens of the encoder's text; empty for a decoder alone.</param>
    /// <param name="timestamps">The rules of timestamps; null for a text without.</param>
    public LogitsProcessorList(GenerationOptions options, int promptLength, int maxLength, int[]? encoderIds = null,
        TimestampRules? timestamps = null)
    {
        _timestamps = timestamps;
        (_options, _promptLength, _maxLength, _encoderIds) = (options, promptLength, maxLength, encoderIds ?? []);
        // A single stop token is not a bad word: transformers leaves it out too.
        _badWords = [.. options.BadWords.Select(word => word.ToArray()).Where(word => word.Length != 1 || !IsStop(word[0]))];
    }

    /// <summary>Changes the scores of the next token.</summary>
    /// <param name="sequence">The tokens so far, the prompt included.</param>
    /// <param name="scores">Logits, or log-probabilities. An excluded token gets −∞.</param>
    public void Apply(ReadOnlySpan<int> sequence, Span<float> scores)
    {
        if (_options.RepetitionPenalty != 1)
        {
            LogitsProcessors.RepetitionPenalty(scores, [.. sequence], _options.RepetitionPenalty);
        }
        if (_options.NoRepeatNgramSize > 0)
        {
            SequenceProcessors.NoRepeatNgram(scores, sequence, sequence, _options.NoRepeatNgramSize);
        }
        if (_options.EncoderNoRepeatNgramSize > 0)
        {
            SequenceProcessors.NoRepeatNgram(scores, _encoderIds, sequence, _options.EncoderNoRepeatNgramSize);
        }
        SequenceProcessors.BadWords(scores, sequence, _badWords);
        if (sequence.Length < _options.MinLength || sequence.Length - _promptLength < _options.MinNewTokens)
        {
            SequenceProcessors.Suppress(scores, _options.StopTokens);
        }
        if (_options.ForcedBosTokenId is { } first && sequence.Length == 1)
        {
            SequenceProcessors.Force(scores, first);
        }
        if (_options.ForcedEosTokenId is { } last && sequence.Length == _maxLength - 1)
        {
            SequenceProcessors.Force(scores, last);
        }
        SequenceProcessors.Suppress(scores, _options.SuppressTokens);
        if (sequence.Length == _promptLength + (_promptLength == 1 && _options.ForcedBosTokenId is not null ? 1 : 0))
        {
            SequenceProcessors.Suppress(scores, _options.BeginSuppressTokens);
        }
        _timestamps?.Apply(sequence[_promptLength..], scores);
    }

    private bool IsStop(int token) => _options.StopTokens.Contains(token);
}
