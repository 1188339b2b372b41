using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Tokenizers;

namespace PeftCore.Extensions.AI.Tests;

/// <summary>The tokenizer as Microsoft.ML.Tokenizers.Tokenizer, against encodings of the reference implementation.</summary>
public sealed class PeftCoreTokenizerTests
{
    private static readonly string[] Names = ["byte_bpe", "wordpiece", "unigram", "sentencepiece_bpe"];

    private static IEnumerable<TestCaseData> Cases() =>
        from name in Names
        from item in JsonDocument.Parse(File.ReadAllText(TestFiles.Fixture("tokenizers", name, "cases.json"))).RootElement.EnumerateArray()
            .Index()
        select new TestCaseData(name, item.Item).SetArgDisplayNames(name, item.Index.ToString(CultureInfo.InvariantCulture));

    [TestCaseSource(nameof(Cases))]
    public void Ids_tokens_and_texts_are_those_of_the_reference(string name, JsonElement item)
    {
        var tokenizer = Open(name);
        string text = item.GetProperty("text").GetString()!;
        int[] ids = Ints(item.GetProperty("ids"));

        var tokens = tokenizer.EncodeToTokens(text, out string? normalized);

        Assert.That(normalized, Is.Null);
        Assert.That(tokens.Select(token => token.Id), Is.EqualTo(ids));
        Assert.That(tokens.Select(token => token.Value),
            Is.EqualTo(item.GetProperty("tokens").EnumerateArray().Select(t => t.GetString())));
        Assert.That(tokenizer.EncodeToIds(text), Is.EqualTo(ids));
        Assert.That(tokenizer.CountTokens(text), Is.EqualTo(ids.Length));
        Assert.That(tokenizer.Decode(ids), Is.EqualTo(item.GetProperty("decoded").GetString()));
        Assert.That(new PeftCoreTokenizer(tokenizer.Inner, skipSpecialTokens: false).Decode(ids),
            Is.EqualTo(item.GetProperty("decoded_keep_special").GetString()));
        Assert.That(new PeftCoreTokenizer(tokenizer.Inner, addSpecialTokens: false).EncodeToIds(text),
            Is.EqualTo(Ints(item.GetProperty("ids_no_special"))));
    }

    [TestCaseSource(nameof(Cases))]
    public void Offsets_are_utf16_positions_of_the_reference_s_code_points(string name, JsonElement item)
    {
        var tokenizer = new PeftCoreTokenizer(Open(name).Inner, addSpecialTokens: false);
        string text = item.GetProperty("text").GetString()!;
        int[] points = new StringInfoless(text).Starts;
        var expected = tokenizer.Inner.Encode(text, addSpecialTokens: false).Offsets;

        var tokens = tokenizer.EncodeToTokens(text, out _);

        Assert.That(tokens.Select(token => (token.Offset.Start.Value, token.Offset.End.Value)),
            Is.EqualTo(expected.Select(range => (points[range.Start], points[range.End]))));
    }

    [Test]
    public void Special_tokens_after_a_text_have_its_end_as_offset()
    {
        var tokens = Open("wordpiece").EncodeToTokens("Hello, world!", out _);

        Assert.That(tokens[0].Offset, Is.EqualTo(0..0));
        Assert.That(tokens[^1].Offset, Is.EqualTo(13..13));
    }

    [TestCase("byte_bpe")]
    [TestCase("wordpiece")]
    [TestCase("unigram")]
    [TestCase("sentencepiece_bpe")]
    public void A_limit_gives_the_first_tokens_and_the_characters_they_cover(string name)
    {
        const string text = "Hello, world! 😀 and more";
        var tokenizer = Open(name);
        var all = tokenizer.EncodeToTokens(text, out _);
        for (int limit = 1; limit <= all.Count + 1; limit++)
        {
            var ids = tokenizer.EncodeToIds(text, limit, out _, out int consumed);

            int count = Math.Min(limit, all.Count);
            Assert.That(ids, Is.EqualTo(all.Take(count).Select(token => token.Id)));
            Assert.That(consumed, Is.EqualTo(count == all.Count ? text.Length : all.Take(count).Max(token => token.Offset.End.Value)));
            Assert.That(tokenizer.GetIndexByTokenCount(text, limit, out _, out int counted), Is.InRange(0, text.Length));
            Assert.That(counted, Is.EqualTo(count));
            int from = tokenizer.GetIndexByTokenCountFromEnd(text, limit, out _, out counted);
            Assert.That(from, Is.EqualTo(all[^count].Offset.Start.Value));
            Assert.That(counted, Is.EqualTo(count));
        }
    }

    [TestCase("byte_bpe")]
    [TestCase("wordpiece")]
    [TestCase("unigram")]
    [TestCase("sentencepiece_bpe")]
    public void Decoding_in_pieces_of_a_buffer_gives_the_whole_text(string name)
    {
        var tokenizer = Open(name);
        int[] ids = [.. tokenizer.EncodeToIds("Hello, world! 😀 ünïcödé")];
        string expected = tokenizer.Decode(ids);
        char[] buffer = new char[expected.Length];

        Assert.That(tokenizer.Decode(ids, buffer, out int consumed, out int written), Is.EqualTo(OperationStatus.Done));
        Assert.That((consumed, written), Is.EqualTo((ids.Length, expected.Length)));
        Assert.That(new string(buffer), Is.EqualTo(expected));
        Assert.That(tokenizer.Decode(ids, buffer.AsSpan(0, 4), out consumed, out written), Is.EqualTo(OperationStatus.DestinationTooSmall));
        Assert.That(consumed, Is.LessThan(ids.Length));
        Assert.That(tokenizer.Decode(ids[..consumed]), Is.EqualTo(expected[..written]));
    }

    [Test]
    public void An_id_that_the_vocabulary_lacks_is_invalid_data() =>
        Assert.That(Open("byte_bpe").Decode([int.MaxValue], new char[8], out _, out _), Is.EqualTo(OperationStatus.InvalidData));

    [Test]
    public void Leaving_out_the_normalizer_is_refused() =>
        Assert.That(() => Open("wordpiece").CountTokens("x", considerNormalization: false),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("considerNormalization"));

    [Test]
    public void Special_tokens_are_listed_with_their_ids()
    {
        var tokenizer = PeftCoreTokenizer.FromDirectory(TestModels.Llama);

        Assert.That(tokenizer.SpecialTokens["<|endoftext|>"], Is.EqualTo(tokenizer.Inner.EosId));
    }

    [Test]
    public void Several_threads_count_with_one_tokenizer()
    {
        Tokenizer tokenizer = Open("unigram");
        int expected = tokenizer.CountTokens("Once upon a time there was a tokenizer.");

        int[] counts = [.. Enumerable.Range(0, 64).AsParallel().WithDegreeOfParallelism(8)
            .Select(_ => tokenizer.CountTokens("Once upon a time there was a tokenizer."))];

        Assert.That(counts, Has.All.EqualTo(expected));
    }

    private static PeftCoreTokenizer Open(string name) => PeftCoreTokenizer.FromDirectory(TestFiles.Fixture("tokenizers", name));

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetInt32())];

    /// <summary>The UTF-16 position of each code point, found rune by rune.</summary>
    private sealed class StringInfoless(string text)
    {
        public int[] Starts { get; } = [.. text.EnumerateRunes().Aggregate(new List<int> { 0 }, (starts, rune) =>
        {
            starts.Add(starts[^1] + rune.Utf16SequenceLength);
            return starts;
        })];
    }
}
