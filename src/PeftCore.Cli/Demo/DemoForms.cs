using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using PeftCore.Cli.Session;
using PeftCore.Io;

namespace PeftCore.Cli.Demo;

/// <summary>Writes the forms of the demo of documents: invoices as words with boxes and tags. A company is at the top, two dates are at its
/// right, amounts below, the last of which is the total. Words alone do not tell which date is the day of payment and which amount the
/// total; their boxes do.</summary>
internal static class DemoForms
{
    /// <summary>Words of all forms, which the vocabulary of the demo's model is made of.</summary>
    public static IReadOnlyList<string> Words => [.. Companies, .. Kinds, .. Goods, "invoice", "from", "due", "total"];

    /// <summary>The tags.</summary>
    public static IReadOnlyList<string> Tags { get; } = ["B-COMPANY", "B-DUE", "B-TOTAL", "I-COMPANY", "O"];

    // Boxes are on a grid, so that every row of the tables of coordinates occurs in training.
    private const int Step = 25, LineHeight = 25, LetterWidth = 12;

    private static readonly string[] Companies = ["north", "river", "stone", "garden", "harbour", "winter", "silver", "mountain"];
    private static readonly string[] Kinds = ["bakery", "books", "tools", "travel", "paper", "music"];
    private static readonly string[] Goods = ["bread", "flour", "novel", "map", "hammer", "nails", "ticket", "ink", "piano", "strings"];

    /// <summary>Writes train.jsonl, valid.jsonl and test.jsonl.</summary>
    /// <param name="directory">The directory, which is created.</param>
    /// <param name="train">Training forms; a third as many are held out for validation and for the test.</param>
    /// <param name="seed">Seed of everything random.</param>
    public static void Write(string directory, int train, ulong seed)
    {
        var random = new Random((int)(seed % int.MaxValue));
        OutputDirectory.Create(directory);
        foreach (var (split, count) in (ReadOnlySpan<(string, int)>)[("train", train), ("valid", train / 3), ("test", train / 3)])
        {
            var lines = new StringBuilder();
            for (int i = 0; i < count; i++)
            {
                lines.Append(Form(random).ToJsonString()).Append('\n');
            }
            AtomicFile.WriteAllText(Path.Combine(directory, split + ".jsonl"), lines.ToString());
        }
    }

    /// <summary>The boxes of the first form of a file.</summary>
    public static IReadOnlyList<int[]> FirstBoxes(string path) =>
        [.. JsonNode.Parse(File.ReadLines(path).First())!["boxes"]!.AsArray()
            .Select(box => box!.AsArray().Select(side => (int)side!).ToArray())];

    /// <summary>{"words", "boxes", "tags"}: a form. Its parts come in a random order, as a program that reads pictures may write
    /// them.</summary>
    private static JsonObject Form(Random random)
    {
        var parts = new List<(string Word, string Tag, int X, int Y)[]>();
        int left = Step * random.Next(2, 6), top = Step * random.Next(1, 4), right = Step * random.Next(28, 32);
        parts.Add([(One(Companies), "B-COMPANY", left, top), (One(Kinds), "I-COMPANY", left + 6 * Step, top)]);
        Put("invoice", right, top);
        Put("from", right - 4 * Step, top + 2 * Step);
        Put(Date(), right, top + 2 * Step);
        Put("due", right - 4 * Step, top + 5 * Step);
        Put(Date(), right, top + 5 * Step, "B-DUE");
        int line = top + 8 * Step;
        for (int count = random.Next(3, 8); count > 0; count--, line += 2 * Step)
        {
            Put(One(Goods), left, line);
            Put(Amount(), right, line);
        }
        Put("total", left, Step * 33);
        Put(Amount(), right, Step * 33, "B-TOTAL");
        var order = parts.ToArray();
        random.Shuffle(order);
        JsonArray words = [], boxes = [], tags = [];
        foreach (var (word, tag, x, y) in order.SelectMany(part => part))
        {
            words.Add((JsonNode)word);
            boxes.Add((JsonNode)new JsonArray(x, y, Math.Min(1000, x + LetterWidth * word.Length), y + LineHeight));
            tags.Add((JsonNode)tag);
        }
        return new JsonObject { ["words"] = words, ["boxes"] = boxes, ["tags"] = tags };

        void Put(string word, int x, int y, string tag = "O") => parts.Add([(word, tag, x, y)]);

        string One(string[] all) => all[random.Next(all.Length)];

        string Date() => string.Create(CultureInfo.InvariantCulture,
            $"{random.Next(1, 29):00}.{random.Next(1, 13):00}.{random.Next(20, 30)}");

        string Amount() => string.Create(CultureInfo.InvariantCulture, $"{random.Next(1, 100)}.{random.Next(0, 100):00}");
    }
}
