namespace PeftCore.Data;

/// <summary>Finds the files of a split in a directory by their names.</summary>
internal static class SplitFiles
{
    private const string Of = "-of-";

    /// <summary>The files of a split, in order. It is named by the file ("train.jsonl"), by the start of the file and the number of its
    /// piece ("train-00000-of-00002.parquet", as the Hugging Face hub names them), or, in the sentiment treebank, by the ending
    /// ("stsa.binary.train").</summary>
    /// <exception cref="BadInputException">Several files claim to be the split, or a piece is missing.</exception>
    public static List<string> Find(string directory, string[] files, string[] names, string[] endings)
    {
        var whole = new List<string>();
        var pieces = new List<Piece>();
        foreach (string file in files)
        {
            if (!endings.Contains(Path.GetExtension(file).ToLowerInvariant()))
            {
                if (names.Contains(Path.GetExtension(file).TrimStart('.')))
                {
                    whole.Add(file);
                }
                continue;
            }
            string name = Path.GetFileNameWithoutExtension(file).ToLowerInvariant();
            if (names.Contains(name))
            {
                whole.Add(file);
            }
            else if (Piece.Of(file, name) is { } piece && names.Contains(piece.Split))
            {
                pieces.Add(piece);
            }
        }
        List<string> sets = [.. whole, .. pieces.GroupBy(piece => piece.Set).Select(set => set.First().File)];
        if (sets.Count > 1)
        {
            throw new BadInputException(
                $"{directory}: {Path.GetFileName(sets[0])} and {Path.GetFileName(sets[1])} both claim to be the "
                    + $"{names[0]} data; keep one, or name the data file itself.");
        }
        return pieces.Count > 0 ? InOrder(directory, pieces) : whole;
    }

    private static List<string> InOrder(string directory, List<Piece> pieces)
    {
        pieces.Sort((a, b) => a.Number.CompareTo(b.Number));
        for (int i = 0; i < pieces[0].Count; i++)
        {
            if (i >= pieces.Count || pieces[i].Number != i)
            {
                throw new BadInputException($"{directory}: of the {pieces[0].Count} pieces of the {pieces[0].Split} data number {i} is " +
                    $"missing, expected files like {Path.GetFileName(pieces[0].File)}; fetch all of them.");
            }
        }
        return [.. pieces.Select(piece => piece.File)];
    }

    /// <param name="File">The file.</param>
    /// <param name="Split">The name of the split.</param>
    /// <param name="Number">The number of the piece, from 0.</param>
    /// <param name="Count">How many pieces there are.</param>
    private sealed record Piece(string File, string Split, int Number, int Count)
    {
        public (string, int, string) Set => (Split, Count, Path.GetExtension(File));

        public static Piece? Of(string file, string name)
        {
            int middle = name.LastIndexOf(SplitFiles.Of, StringComparison.Ordinal);
            int dash = middle <= 0 ? -1 : name.LastIndexOf('-', middle - 1);
            return dash > 0 && NumberText.TryDigits(name.AsSpan(dash + 1, middle - dash - 1), out int number)
                && NumberText.TryDigits(name.AsSpan(middle + SplitFiles.Of.Length), out int count) && number < count
                ? new Piece(file, name[..dash], number, count) : null;
        }
    }
}
