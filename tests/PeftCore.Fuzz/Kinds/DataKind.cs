using System.Text;
using PeftCore.Data;
using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Data files of every format: valid files must be read exactly, contradictory ones rejected.</summary>
internal sealed class DataKind : FuzzKind
{
    public override string Name => "data";

    public override int Share => 22;

    public override FuzzInput Make(FuzzRandom random) => random.OneOf(
        (3, () => DataTexts.Valid(random)),
        (5, () => DataContradictions.Make(random)),
        (4, () => Damaged(random)),
        (2, () => Recoded(random)));

    public override FuzzSubject Open(string directory) => new Subject(directory);

    private static FuzzInput Damaged(FuzzRandom random)
    {
        var file = DataTexts.Valid(random).Files[0];
        return new FuzzInput($"damaged bytes{Path.GetExtension(file.Name)}", Expectation.Any,
            new FuzzFile(file.Name, Damage.Apply(random, file.Bytes)));
    }

    /// <summary>The text in another encoding than UTF-8; it is refused unless it is plain ASCII.</summary>
    private static FuzzInput Recoded(FuzzRandom random)
    {
        var file = DataTexts.Valid(random).Files[0];
        string text = Encoding.UTF8.GetString(file.Bytes) + "\né";
        var encoding = random.Pick(Encoding.Latin1, Encoding.Unicode, Encoding.BigEndianUnicode, Encoding.UTF32);
        byte[] bytes = [.. random.OnceIn(2) ? encoding.Preamble.ToArray() : [], .. encoding.GetBytes(text)];
        return new FuzzInput($"another encoding{Path.GetExtension(file.Name)}", Expectation.Refuse, new FuzzFile(file.Name, bytes));
    }

    private sealed class Subject(string directory) : FuzzSubject(directory)
    {
        private readonly string _directory = directory;

        public override Reading Read(FuzzInput input)
        {
            var warnings = new List<string>();
            var rows = DataFiles.ReadFile(Path.Combine(_directory, input.Files[0].Name), new ReadOptions { Warnings = warnings });
            string[] read = [.. rows.Select(DataTexts.Describe)];
            return rows.Count == 0 ? new Reading(warnings, "no rows")
                : input.Meaning is string[] meant && !meant.SequenceEqual(read)
                ? new Reading(warnings, $"rows were read otherwise: {string.Join(" ", read.Except(meant).Take(2))}")
                : new Reading(warnings);
        }
    }
}
