namespace PeftCore.Models.Generation;

/// <summary>Beam search as transformers 5 does it (<c>GenerationMixin._beam_search</c>). Every step continues the likeliest beginnings:
/// 1. s(beam, token) = s(beam) + ln p(token | beam), with processed ln p;
/// 2. the (1 + stop tokens)·beams best of them are candidates, so that enough of them do not end;
/// 3. the best candidates that do not end run on;
/// 4. those among the best <c>num_beams</c> candidates that end compete, by s/lengthᵖ, with the complete texts so far.
/// All scores are F32 and −10⁹ rules one out, so that ties and rounding are those of the reference.</summary>
internal sealed class BeamSearch : ITextSearch
{
    private const float RuledOut = -1e9f;

    private readonly TextRequest _request;
    private readonly LogitsProcessorList _processors;
    private readonly int _beams;
    private readonly int _candidates;
    private Beam[] _running;
    private Beam[] _complete;
    private bool _canImprove = true;

    public BeamSearch(TextRequest request)
    {
        _request = request;
        _processors = request.Processors();
        _beams = request.Options.NumBeams;
        _candidates = Math.Max(2, 1 + request.Options.StopTokens.Distinct().Count()) * _beams;
        // Only the first beam counts at first: equal beams would find the same tokens.
        _running = [.. Enumerable.Range(0, _beams).Select(beam => new Beam([], beam == 0 ? 0 : RuledOut, beam))];
        _complete = [.. _running.Select(beam => beam with { Score = RuledOut })];
    }

    public IReadOnlyList<(int Row, int Token)> Next => [.. _running.Select(beam => (beam.Row, beam.Tokens[^1]))];

    public bool HasEnded { get; private set; }

    public void Advance(Span<float> logits)
    {
        var candidates = Candidates(logits);
        if (float.IsNegativeInfinity(candidates[0].Score))
        {
            throw new BadInputException(LogitsProcessorList.NothingLeft);
        }
        _running = Best(candidates.Select(beam => beam.End is null ? beam : beam with { Score = beam.Score + RuledOut }));
        Complete(candidates);
        int length = candidates[0].Tokens.Length;
        _canImprove &= CanImprove(length);
        HasEnded = !_canImprove || IsFull || candidates.All(beam => beam.End is not null);
    }

    public GenerationResult Finish()
    {
        // A cancelled search has running beams that may be all there is.
        var texts = _complete.Where(beam => beam.IsComplete).Concat(HasEnded ? [] : _running).Where(beam => beam.Tokens.Length > 0)
            .Take(_request.Options.NumReturnSequences).Select(ResultOf).ToList();
        if (texts.Count == 0)
        {
            return _request.Result([], null, FinishReason.Cancelled);
        }
        Stream(texts[0].Tokens);
        return texts[0].With(texts[1..]);
    }

    private bool IsFull => _request.Options.EarlyStopping is true && _complete.All(beam => beam.IsComplete);

    /// <summary>The best continuations, best first; of equal ones the first beam and token.</summary>
    private List<Beam> Candidates(Span<float> logits)
    {
        // All beams are the prompt at first, which is read once.
        int rows = _running[0].Tokens.Length == 0 ? 1 : _beams, vocabulary = logits.Length / rows;
        var best = new TopScores(Math.Min(_candidates, _beams * vocabulary));
        for (int beam = 0; beam < _beams; beam++)
        {
            var scores = logits.Slice(Math.Min(beam, rows - 1) * vocabulary, vocabulary);
            if (beam < rows)
            {
                LogitsProcessors.LogSoftmax(scores);
                _processors.Apply([.. _request.Prompt, .. _running[beam].Tokens], scores);
            }
            for (int token = 0; token < vocabulary; token++)
            {
                best.Offer(scores[token] + _running[beam].Score, beam * vocabulary + token);
            }
        }
        return [.. best.All.Select(entry => Continue(entry.Index / vocabulary, entry.Index % vocabulary, entry.Score, rows))];
    }

    private Beam Continue(int beam, int token, float score, int rows)
    {
        int[] tokens = [.. _running[beam].Tokens, token];
        return new Beam(tokens, score, Math.Min(beam, rows - 1))
        {
            End = _request.EndOf(token, tokens.Length, () => HasStopString(tokens)),
        };
    }

    /// <summary>Keeps the best of the complete texts and of the candidates that end.</summary>
    private void Complete(List<Beam> candidates)
    {
        float divisor = Power(candidates[0].Tokens.Length);
        bool isClosed = IsFull;
        var ended = candidates.Select((beam, rank) =>
        {
            bool ends = beam.End is not null && rank < _beams;
            float score = beam.Score / divisor + (isClosed ? RuledOut : 0) + (_canImprove ? 0 : RuledOut) + (ends ? 0 : RuledOut);
            return beam with { Score = score, IsComplete = ends };
        });
        _complete = Best(_complete.Concat(ended));
    }

    /// <summary>Whether the best running beam may still score above the worst complete text.</summary>
    private bool CanImprove(int length)
    {
        bool mayGrow = _request.Options is { EarlyStopping: null, LengthPenalty: > 0 };
        float possible = _running[0].Score / Power(mayGrow ? _request.MaxNewTokens : length);
        float worst = _complete.Min(beam => beam.Score);
        return _complete.Any(beam => possible > (beam.IsComplete ? worst : RuledOut));
    }

    private float Power(int length) => (float)Math.Pow(length, _request.Options.LengthPenalty);

    private Beam[] Best(IEnumerable<Beam> beams) => [.. beams.OrderByDescending(beam => beam.Score).Take(_beams)];

    private bool HasStopString(int[] tokens)
    {
        if (_request.Options.StopStrings.Count == 0 || _request.Stream() is not { } text)
        {
            return false;
        }
        Array.ForEach(tokens, text.Add);
        return text.Stopped;
    }

    private GenerationResult ResultOf(Beam beam)
    {
        var text = _request.Stream();
        foreach (int token in beam.Tokens.Where(token => !_request.Options.StopTokens.Contains(token)))
        {
            text?.Add(token);
        }
        text?.Flush();
        return _request.Result(beam.Tokens, text?.Text, beam.End ?? FinishReason.Cancelled);
    }

    private void Stream(IReadOnlyList<int> tokens)
    {
        var text = _request.Stream();
        for (int i = 0; i < tokens.Count && _request.OnToken is not null; i++)
        {
            if (!_request.Options.StopTokens.Contains(tokens[i]))
            {
                text?.Add(tokens[i]);
            }
            _request.OnToken(tokens[i], (i == tokens.Count - 1 ? text?.Flush() : text?.Give()) ?? "");
        }
    }

    /// <summary>A beginning or a complete text.</summary>
    /// <param name="Tokens">Its new tokens.</param>
    /// <param name="Score">Sum of its ln p; of a complete text divided by the length penalty.</param>
    /// <param name="Row">The sequence of the decoder that it continues.</param>
    private sealed record Beam(int[] Tokens, float Score, int Row)
    {
        /// <summary>Why it ends; null if it can go on.</summary>
        public FinishReason? End { get; init; }

        /// <summary>Whether it is a text that may be returned.</summary>
        public bool IsComplete { get; init; }
    }
}
