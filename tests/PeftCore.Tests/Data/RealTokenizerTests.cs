using PeftCore.Data;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Data;

public sealed class RealTokenizerTests
{
    [TestCase("byte_bpe")]
    [TestCase("sentencepiece_bpe")]
    [TestCase("unigram")]
    public void What_is_learned_decodes_to_the_completion(string kind)
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", kind, "tokenizer.json"));
        var encoder = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 200, MaskPrompt = true, EosId = 0 });
        (string Prompt, string Completion)[] pairs =
        [
            ("Question: what is it?\nAnswer:", " a small boat"),
            ("naïve café 🙂🙂 é:", " 数字 and ünïcode 🙂"),
            ("", "only this"),
        ];
        var place = new RowPlace("data", 1);
        for (int i = 0; i < pairs.Length; i++)
        {
            int joined = encoder.Report.Joined;
            var example = encoder.Encode([new PromptRow(place, pairs[i].Prompt, pairs[i].Completion)])[0];
            int[] learned = [.. example.Labels.Where(id => id != Example.Masked)];
            Assert.That(learned[^1], Is.Zero);
            // The first token of a sample cannot be learned, so an empty prompt costs the completion's first.
            string text = tokenizer.Decode([.. pairs[i].Prompt.Length == 0 ? example.Ids[..1] : [], .. learned[..^1]]);
            string expected = tokenizer.Decode(tokenizer.Encode(pairs[i].Completion, false).Ids).Trim();
            // A token that spans prompt and completion is learned with its part of the prompt.
            Assert.That(text.Trim(), encoder.Report.Joined > joined ? Does.EndWith(expected).And.Length.LessThan(expected.Length + 4)
                : Is.EqualTo(expected));
        }
    }

    [TestCase("chatml")]
    [TestCase("llama3")]
    public void Of_a_conversation_in_a_real_template_the_answers_and_their_ends_are_learned(string template)
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", "byte_bpe", "tokenizer.json"));
        ChatMessage[] turns = [new("user", "Who are you?"), new("assistant", "A boat. 🙂"), new("user", "Where to?"),
            new("assistant", "Home.")];
        var options = new EncodeOptions { MaxSeqLength = 500, MaskPrompt = true, ChatTemplate = ChatTemplate.BuiltIn(template) };
        var example = new ExampleEncoder(tokenizer, options).Encode([new ChatRow(new RowPlace("data", 1), turns)])[0];
        string learned = tokenizer.Decode([.. example.Labels.Where(id => id != Example.Masked)], skipSpecialTokens: false);
        string whole = tokenizer.Decode(example.Ids, skipSpecialTokens: false);
        string end = whole[(whole.LastIndexOf("Home.", StringComparison.Ordinal) + 5)..].TrimEnd();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(whole, Does.Contain("Who are you?").And.Contain("Where to?"));
            Assert.That(end, Is.Not.Empty);
            Assert.That(learned, Is.EqualTo($"A boat. 🙂{end}Home.{end}"));
        }
    }

    [Test]
    public void A_long_document_is_the_same_in_pieces_and_as_a_whole()
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", "byte_bpe", "tokenizer.json"));
        var random = new Random(4);
        string[] words = ["the", " sea", "\n", "\n\n", " was", " calm", ",", ".", " ", "I", " don't"];
        string text = string.Concat(Enumerable.Range(0, 5000).Select(_ => words[random.Next(words.Length)]));
        Assert.That(DocumentPieces.Of(text, 300).SelectMany(p => tokenizer.Encode(p, false).Ids),
            Is.EqualTo(tokenizer.Encode(text, false).Ids));
    }

    [Test]
    public void Joining_by_the_template_is_encoding_with_special_tokens(
        [Values("byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece")] string kind)
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", kind, "tokenizer.json"));
        var text = new TokenizerText(tokenizer, chosen: null);
        const string First = "Who sails, naïve 🙂?", Second = "A small boat.";
        int[] first = tokenizer.Encode(First, false).Ids, second = tokenizer.Encode(Second, false).Ids;
        var (one, two) = (tokenizer.Encode(First), tokenizer.Encode(First, Second));
        var (joined, pair) = (SequenceTemplate.OfOne(text).Join(first), SequenceTemplate.OfTwo(text).Join(first, second));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((joined.Ids, joined.IsSpecial), Is.EqualTo((one.Ids, one.SpecialTokensMask)));
            Assert.That((pair.Ids, pair.IsSpecial), Is.EqualTo((two.Ids, two.SpecialTokensMask)));
            Assert.That(pair.TypeIds ?? new int[two.Length], Is.EqualTo(two.TypeIds));
            Assert.That(pair.Ids.AsSpan(pair.SecondStart, second.Length).ToArray(), Is.EqualTo(second));
        }
    }

    [Test]
    public void An_answer_is_found_again_from_its_span([Values("byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece")] string kind)
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", kind, "tokenizer.json"));
        const string Context = "The 🙂 sea was calm, and a small boat came home in the evening. The boat was old, and so was the man.";
        var row = TaskFields.Found(new RowPlace("data", 1), "What came home?", Context, "small boat");
        var text = new TokenizerText(tokenizer, chosen: null);
        int length = SequenceTemplate.OfTwo(text).Added + tokenizer.Encode("What came home?", false).Length + 24;
        var windows = new QuestionEncoder(text, new EncodeOptions { MaxSeqLength = length, Stride = 12 }, new EncodeReport()).Encode([row]);
        var selection = new SpanSelection(Context);
        foreach (var window in windows)
        {
            float[] starts = new float[window.Ids.Length], ends = new float[window.Ids.Length];
            (int start, int end) = window.Span!.Value;
            (starts[start], ends[end]) = (1, 1);
            selection.Add(window.Window!, starts, ends);
        }
        Assert.That(windows, Has.Count.GreaterThan(1));
        // A tokenizer without words may have one token for the end of one word and the start of the next.
        Assert.That(selection.Text, Does.Contain("small boat").And.Length.LessThan(20));
    }

    [Test]
    public void Words_one_by_one_have_the_tokens_of_the_text([Values("byte_bpe", "unigram", "wordpiece")] string kind)
    {
        var tokenizer = Tokenizer.FromFile(TestFiles.Fixture("tokenizers", kind, "tokenizer.json"));
        var words = new WordEncoder(new TokenizerText(tokenizer, chosen: null));
        string[] text = ["the", "small", "boat", "came", "home"];
        // A byte-level tokenizer sees a space before every word, so before the first too.
        string whole = (kind == "byte_bpe" ? " " : "") + string.Join(' ', text);
        Assert.That(text.SelectMany(words.TokensOf), Is.EqualTo(tokenizer.Encode(whole, false).Ids));
    }
}
