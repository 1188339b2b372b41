using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class DataFuzzTests
{
    private static readonly (string Name, string Text)[] Valid =
    [
        ("a.jsonl", "{\"text\": \"x\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"é\"}, {\"role\": \"assistant\", \"content\": \"\\u0061\"}]}\n{\"text\": \"t\", \"label\": 3}\n"),
        ("a.json", "[{\"prompt\": \"p\", \"completion\": \"c\"},\n{\"instruction\": \"i\", \"input\": null, \"output\": \"o\"}]\n"),
        ("a.csv", "text,label\r\n\"a, \"\"b\"\"\nc\",1\r\nd,x\r\n"),
        ("a.dev", "1 good\n0 bad\n"),
        ("a.txt", "text é\n"),
    ];

    private static readonly string[] Tokens =
        ["\"", "\"\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "\r", "\0", " ", "1", "-", "null", "\"text\"", "\"label\"", "\\ud800", "\uFEFF", "é", "[[[[[[[[[[[[[[[[[[[["];

    private readonly TemporaryDirectory _directory = new();

    [OneTimeTearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void No_broken_file_throws_anything_but_its_sentence()
    {
        int accepted = 0;
        Gen<(string, byte[])> files =
            from which in Gen.Elements(Valid)
            from edits in (from at in Gen.Choose(0, 1 << 12) from token in Gen.Elements(Tokens) select (at, token)).ArrayOf(3)
            from count in Gen.Choose(0, 3)
            from flip in Gen.Frequency((2, Gen.Constant(-1)), (1, Gen.Choose(0, 1 << 12)))
            select (which.Name, Break(which.Text, edits[..count], flip));
        Prop.ForAll(files.ToArbitrary(), file =>
        {
            (string name, byte[] bytes) = file;
            string path = _directory[name];
            File.WriteAllBytes(path, bytes);
            try
            {
                accepted++;
                return DataFiles.ReadFile(path).Count > 0;
            }
            catch (BadInputException e)
            {
                accepted--;
                return e.Message.StartsWith(path, StringComparison.Ordinal) && e.Message.EndsWith('.');
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithReplay(3, 5));
        Assert.That(accepted, Is.InRange(100, 1900));
    }

    [Test]
    public void Whatever_is_written_as_csv_reads_back_the_same()
    {
        Gen<string> field = Gen.Elements("a", "b ", " ", ",", "\"", "\n", "\r\n", "\r", "é", "😀", "1").ArrayOf().Select(string.Concat);
        Gen<(string, string)[]> table = (from text in field from label in field where label.Length > 0 select (text, label)).ArrayOf().Where(t => t.Length > 0);
        Prop.ForAll(table.ToArbitrary(), Gen.Elements("\n", "\r\n", "\r").ToArbitrary(), (rows, end) =>
        {
            string text = "text,label" + end + string.Concat(rows.Select(r => $"{Quote(r.Item1)},{Quote(r.Item2)}{end}"));
            File.WriteAllText(_directory["table.csv"], text);
            return DataFiles.ReadFile(_directory["table.csv"]).Cast<LabelledRow>().Select(r => (r.Text, r.Label)).SequenceEqual(rows);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithReplay(7, 9));
    }

    private static string Quote(string field) =>
        field.AsSpan().IndexOfAny("\",\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static byte[] Break(string text, (int At, string Token)[] edits, int flip)
    {
        foreach ((int at, string token) in edits)
        {
            int place = at / 2 % text.Length;
            text = text[..place] + token + text[(place + at % 2)..];
        }
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (flip >= 0)
            bytes[flip / 8 % bytes.Length] ^= (byte)(1 << (flip % 8));
        return bytes;
    }
}
