namespace PeftCore.Models.Generation;

/// <summary>Greedy decoding or sampling: one sequence, a token at a time.</summary>
internal sealed class SamplingSearch : ITextSearch
{
    private readonly TextRequest _request;
    private readonly LogitsProcessorList _processors;
    private readonly TokenChooser _chooser;
    private readonly TextStream? _text;
    private readonly int[] _sequence;
    private readonly List<int> _tokens = [];
    private FinishReason? _end;

    public SamplingSearch(TextRequest request)
    {
        _request = request;
        _processors = request.Processors();
        _chooser = new TokenChooser(request.Options);
        _text = request.Stream();
        _sequence = [.. request.Prompt, .. new int[request.MaxNewTokens]];
    }

    public IReadOnlyList<(int Row, int Token)> Next => [(0, _tokens[^1])];

    public bool HasEnded => _end is not null;

    public void Advance(Span<float> logits)
    {
        int length = _request.Prompt.Length + _tokens.Count;
        _processors.Apply(_sequence.AsSpan(0, length), logits);
        int token = _chooser.Choose(logits);
        _sequence[length] = token;
        _tokens.Add(token);
        _end = _request.EndOf(token, _tokens.Count, () => AddText(token));
        string piece = _text is null ? "" : HasEnded ? _text.Flush() : _text.Give();
        _request.OnToken?.Invoke(token, piece);
    }

    public GenerationResult Finish()
    {
        _text?.Flush();
        return _request.Result(_tokens, _text?.Text, _end ?? FinishReason.Cancelled);
    }

    /// <summary>Adds a token to the text; whether it completes a stop string.</summary>
    private bool AddText(int token)
    {
        _text?.Add(token);
        return _text is { Stopped: true };
    }
}
