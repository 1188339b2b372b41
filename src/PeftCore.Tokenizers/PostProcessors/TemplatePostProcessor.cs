namespace PeftCore.Tokenizers;

/// <summary>One element of a template: a sequence (0 or 1), or special tokens where <paramref name="Sequence"/> is -1.</summary>
internal sealed record TemplatePiece(int Sequence, int TypeId, int[] Ids, string[] Tokens);

/// <summary>Puts the sequences and special tokens in the order of a template.</summary>
internal sealed class TemplatePostProcessor(IReadOnlyList<TemplatePiece> single, IReadOnlyList<TemplatePiece> pair) : IPostProcessor
{
    public IEnumerable<(string Token, int Id)> SpecialTokens => single.Concat(pair).SelectMany(piece => piece.Tokens.Zip(piece.Ids));

    public IReadOnlyList<Encoding> Process(IReadOnlyList<Encoding> sequences, bool addSpecialTokens)
    {
        if (sequences.Count > 2)
        {
            // A template after another: the parts of the first are one sequence by then, which the format does not foresee.
            throw new BadInputException("The tokenizer's post_processor has a TemplateProcessing after a step that already made "
                + $"{sequences.Count} parts; keep only one of them in tokenizer.json.");
        }

        var template = sequences.Count == 2 ? pair : single;
        var parts = new List<Encoding>(template.Count);
        foreach (var piece in template)
        {
            if (piece.Sequence >= 0)
            {
                parts.Add(sequences[Math.Min(piece.Sequence, sequences.Count - 1)].WithTypeId(piece.TypeId));
            }
            else if (addSpecialTokens)
            {
                parts.Add(Encoding.Added(piece.Ids, piece.Tokens, piece.TypeId));
            }
        }

        return parts;
    }
}
