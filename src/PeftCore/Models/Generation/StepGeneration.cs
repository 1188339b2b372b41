namespace PeftCore.Models.Generation;

/// <summary>Generates texts with any decoder that reads token by token, several prompts at once.</summary>
internal static class StepGeneration
{
    /// <summary>Continues prompts. Those of different length need no padding: after the shortest, the sequences of a longer prompt read its
    /// next token while others already read new ones, and a text that is complete leaves the batch.</summary>
    /// <param name="decoder">A decoder with one empty sequence a request, which can have as many sequences as all searches.</param>
    /// <param name="requests">The texts.</param>
    /// <param name="cancel">Ends all texts after the current token.</param>
    public static IReadOnlyList<GenerationResult> Run(IStepDecoder decoder, IReadOnlyList<TextRequest> requests, CancellationToken cancel)
    {
        if (requests.Max(request => request.Prompt.Length + request.MaxNewTokens - 1) > decoder.Room)
        {
            throw new ArgumentException($"the decoder has room for {decoder.Room} tokens, fewer than the texts may have", nameof(decoder));
        }
        List<Entry> all = [.. requests.Select(request => new Entry(request))];
        var active = all;
        int read = requests.Min(request => request.Prompt.Length);
        int[] ids = [.. requests.SelectMany(request => request.Prompt[..read])];
        float[] logits = [];
        while (active.Count > 0 && !cancel.IsCancellationRequested)
        {
            int count = decoder.Sequences * decoder.VocabularySize;
            logits = logits.Length >= count ? logits : new float[count];
            decoder.Read(ids, logits.AsSpan(0, count));
            Advance(active, logits, decoder.VocabularySize, read++);
            active = [.. active.Where(entry => !entry.Search.HasEnded)];
            if (active.Count > 0)
            {
                ids = [.. active.SelectMany(entry => entry.Next).Select(next => next.Token)];
                decoder.Reorder([.. active.SelectMany(entry => entry.Next).Select(next => next.Row)]);
                active.ForEach(entry => entry.Sequences = entry.Next.Count);
            }
        }
        return [.. all.Select(entry => entry.Search.Finish())];
    }

    private static void Advance(List<Entry> active, float[] logits, int vocabulary, int read)
    {
        int row = 0;
        foreach (var entry in active)
        {
            var rows = logits.AsSpan(row * vocabulary, entry.Sequences * vocabulary);
            if (read < entry.Prompt.Length)
            {
                entry.Next = [(row, entry.Prompt[read])];
            }
            else
            {
                for (int at = 0; at < rows.Length; at += vocabulary)
                {
                    DamagedOutput.Check(rows.Slice(at, vocabulary));
                }
                entry.Search.Advance(rows);
                int first = row;
                entry.Next = entry.Search.HasEnded ? [] : [.. entry.Search.Next.Select(next => (first + next.Row, next.Token))];
            }
            row += entry.Sequences;
        }
    }

    /// <summary>A request with its sequences of the decoder: one while its prompt is read.</summary>
    private sealed class Entry(TextRequest request)
    {
        public int[] Prompt { get; } = request.Prompt;

        public ITextSearch Search { get; } = request.Options.NumBeams > 1 ? new BeamSearch(request) : new SamplingSearch(request);

        public int Sequences { get; set; } = 1;

        /// <summary>The row of the decoder that each of its sequences continues, and the token it reads.</summary>
        public IReadOnlyList<(int Row, int Token)> Next { get; set; } = [];
    }
}
