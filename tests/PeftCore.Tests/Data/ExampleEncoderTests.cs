using PeftCore.Data;
using PeftCore.Tokenizers;
using static PeftCore.Tests.Data.CharacterEncoder;

namespace PeftCore.Tests.Data;

public sealed class ExampleEncoderTests
{
    private static readonly RowPlace Place = new("data.jsonl", 4);
    private static readonly ChatMessage[] Talk = [new("system", "S"), new("user", "U"), new("assistant", "A1"), new("user", "V"),
        new("assistant", "A2")];

    [Test]
    public void Everything_is_learned_but_the_first_token_without_a_mask()
    {
        Assert.That(Show(One(new TextRow(Place, "text"))), Is.EqualTo(".ext>"));
        Assert.That(Show(One(new PromptRow(Place, "pr", "co"))), Is.EqualTo(".rco>"));
        Assert.That(Show(One(new PromptRow(Place, "pr", "co"), tokenizer: new CharacterEncoder { AddsBos = true })), Is.EqualTo(".prco>"));
    }

    [Test]
    public void With_a_mask_only_the_completion_and_its_end_are_learned()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Show(One(new PromptRow(Place, "pr😀", "cé"), mask: true)), Is.EqualTo("...cé>"));
            Assert.That(Show(One(new PromptRow(Place, "", "co"), mask: true)), Is.EqualTo(".o>"));
            Assert.That(Show(One(new PromptRow(Place, "pr", "co"), mask: true, tokenizer: new CharacterEncoder
            {
                AddsBos = true,
                AddsEos = true
            })), Is.EqualTo("...co>"));
            Assert.That(Show(One(new TextRow(Place, "text"), mask: true)), Is.EqualTo(".ext>"));
            Assert.That(Show(One(new LabelledRow(Place, "t", "7"), mask: true)), Is.EqualTo("........ 7>"));
        }
    }

    [Test]
    public void The_end_token_is_not_put_twice_or_when_it_is_not_wanted()
    {
        Assert.That(ShowIds(One(new TextRow(Place, "text"), tokenizer: new CharacterEncoder { AddsEos = true })), Is.EqualTo("text>"));
        Assert.That(ShowIds(One(new TextRow(Place, "text"), options: new EncodeOptions { MaxSeqLength = 9, AppendEos = false })),
            Is.EqualTo("text"));
    }

    [Test]
    public void In_a_conversation_all_turns_of_the_assistant_are_learned()
    {
        var example = One(new ChatRow(Place, Talk), mask: true);
        Assert.That(ShowIds(example), Is.EqualTo("[s]S;[u]U;[a]A1;[u]V;[a]A2;"));
        Assert.That(Show(example), Is.EqualTo(".............A1;........A2;"));
        Assert.That(Show(One(new ChatRow(Place, Talk))), Is.EqualTo(".s]S;[u]U;[a]A1;[u]V;[a]A2;"));
    }

    [Test]
    public void Instructions_become_a_conversation_if_the_tokenizer_has_one_and_headings_otherwise()
    {
        var row = new InstructionRow(Place, "Add", "1+1", "2");
        var plain = new CharacterEncoder { HasChat = false };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ShowIds(One(row)), Is.EqualTo("[u]Add\n\n1+1;[a]2;"));
            Assert.That(ShowIds(One(row, tokenizer: plain)), Is.EqualTo("### Instruction:\nAdd\n\n### Input:\n1+1\n\n### Response:\n2>"));
            Assert.That(ShowIds(One(row with { Input = "" }, tokenizer: plain)), Is.EqualTo("### Instruction:\nAdd\n\n### Response:\n2>"));
            Assert.That(Show(One(row, mask: true, tokenizer: plain)).Trim('.'), Is.EqualTo("2>"));
            Assert.That(() => One(new ChatRow(Place, Talk), tokenizer: plain),
                Throws.TypeOf<BadInputException>().With.Message.StartsWith("data.jsonl, line 4: the row is a conversation"));
        }
    }

    [Test]
    public void A_long_prompt_loses_its_begin_and_a_long_text_its_end()
    {
        var encoder = Encoder(6, mask: true, new CharacterEncoder { AddsBos = true });
        var examples = encoder.Encode([new PromptRow(Place, "prompt", "co"), new PromptRow(Place, "prompt", "completion"),
            new TextRow(Place, "long text")]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(examples.Select(ShowIds), Is.EqualTo(["<ptco>", "<tion>", "<long "]));
            Assert.That(examples.Select(Show), Is.EqualTo(["...co>", ".tion>", ".long "]));
            Assert.That((encoder.Report.Cut, encoder.Report.TokensCut, encoder.Report.Dropped), Is.EqualTo((3, 4L + 12 + 5, 0)));
            Assert.That(encoder.Report.Warnings(6),
                Has.One.EqualTo("3 of 3 samples were longer than max_seq_length 6 and were cut, by 21 tokens in all."));
        }
    }

    [Test]
    public void A_conversation_that_is_cut_keeps_the_last_answer()
    {
        Assert.That(ShowIds(One(new ChatRow(Place, Talk), mask: true, options: new EncodeOptions { MaxSeqLength = 8, MaskPrompt = true })),
            Is.EqualTo("V;[a]A2;"));
    }

    [Test]
    public void Rows_with_nothing_to_learn_are_counted_and_an_empty_rest_is_an_error()
    {
        var encoder = Encoder(8, mask: true);
        var examples = encoder.Encode([new TextRow(Place, ""), new TextRow(Place, "ab")]);
        Assert.That((examples.Count, encoder.Report.Rows, encoder.Report.Examples, encoder.Report.Dropped), Is.EqualTo((1, 2, 1, 1)));
        Assert.That(encoder.Report.Warnings(8), Has.One.Contains("1 of 2 rows were left out"));
        Assert.That(() => Encoder(8, true).Encode([new TextRow(Place, "")]),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("data.jsonl: none of its 1 rows"));
        Assert.That(() => Encoder(1, true), Throws.TypeOf<BadInputException>().With.Message.Contains("expected at least 2"));
    }

    [Test]
    public void A_token_across_the_end_of_the_prompt_is_learned_and_counted()
    {
        var encoder = Encoder(20, mask: true, new CharacterEncoder { Pair = " c" });
        Assert.That(encoder.Encode([new PromptRow(Place, "pr ", "co")])[0].Labels, Is.EqualTo([-100, -100, 3, 'o', Eos]));
        Assert.That((encoder.Report.Joined, encoder.Report.Warnings(20).Count()), Is.EqualTo((1, 1)));
    }

    [Test]
    public void Turns_that_the_template_loses_are_counted_and_what_it_refuses_is_said_with_the_line()
    {
        var encoder = Encoder(99, mask: true);
        ChatMessage[] lossy = [new("user", "U"), new("assistant", "lost"), .. Talk[3..]];
        Assert.That(Show(encoder.Encode([new ChatRow(Place, lossy)])[0]).Trim('.'), Is.EqualTo("A2;"));
        Assert.That(encoder.Report.TurnsNotFound, Is.EqualTo(1));
        Assert.That(() => encoder.Encode([new ChatRow(Place, lossy[..2])]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("cannot be told from the others"));
        Assert.That(() => encoder.Encode([new ChatRow(Place, [new("user", "refused"), .. Talk])]),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo("data.jsonl, line 4: the chat template says no."));
    }

    [TestCase(12, 4, new[] { 4, 4, 4, 2 })]
    [TestCase(11, 4, new[] { 4, 4, 4 })]
    [TestCase(14, 4, new[] { 4, 4, 4, 3 })]
    public void A_document_is_cut_into_blocks_and_loses_nothing(int length, int size, int[] blocks)
    {
        string text = new([.. Enumerable.Range(0, length).Select(i => (char)('a' + i))]);
        var examples = Encoder(size, false).Encode([new DocumentRow(Place, text)]);
        Assert.That(examples.Select(e => e.Ids.Length), Is.EqualTo(blocks));
        Assert.That(string.Concat(examples.Select(ShowIds)).Distinct(), Is.EqualTo(text + ">"));
        Assert.That(examples.All(e => e.Labels[0] == Example.Masked && e.Labels.Skip(1).SequenceEqual(e.Ids.Skip(1))));
    }

    [Test]
    public void Pieces_of_a_document_join_to_the_whole_and_begin_lines()
    {
        var random = new Random(1);
        string text = string.Concat(Enumerable.Range(0, 3000).Select(_ => " \n\nabcdef"[random.Next(9)]));
        string[] pieces = [.. DocumentPieces.Of(text, 100)];
        Assert.That(string.Concat(pieces), Is.EqualTo(text));
        Assert.That(pieces, Has.Length.GreaterThan(10));
        Assert.That(pieces.Skip(1).All(p => char.IsLetter(p[0])) && pieces.SkipLast(1).All(p => p[^1] == '\n' && char.IsLetter(p[^2])));
    }

    [Test]
    public void Classes_are_numbered_and_their_texts_cut_before_the_last_special_token()
    {
        DataRow[] rows = [new LabelledRow(Place, "good film", "pos"), new LabelledRow(Place, "bad", "neg")];
        var map = LabelMap.From(rows);
        var encoder = Encoder(6, false, new CharacterEncoder { AddsBos = true, AddsEos = true });
        var examples = encoder.EncodeClasses(rows, map);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(map.Names, Is.EqualTo(["neg", "pos"]));
            Assert.That(examples.Select(ShowIds), Is.EqualTo(["<good>", "<bad>"]));
            Assert.That(examples.Select(e => e.ClassLabel), Is.EqualTo([1, 0]));
            Assert.That(encoder.Report.Cut, Is.EqualTo(1));
            Assert.That(() => encoder.EncodeClasses([new LabelledRow(Place, "x", "meh")], map),
                Throws.TypeOf<BadInputException>().With.Message.EqualTo(
                "data.jsonl, line 4: the label \"meh\" is unknown, expected one of neg, pos."));
            Assert.That(() => encoder.EncodeClasses([new TextRow(Place, "x")], map),
                Throws.TypeOf<BadInputException>().With.Message.Contains("has no label"));
            Assert.That(() => LabelMap.From(rows[..1]), Throws.TypeOf<BadInputException>().With.Message.Contains("at least two classes"));
        }
    }

    [Test]
    public void Whole_numbers_are_sorted_as_numbers() =>
        Assert.That(LabelMap.From([.. new[] { "10", "2", "0" }.Select(l => new LabelledRow(Place, "", l))]).Names,
            Is.EqualTo(["0", "2", "10"]));

    private static ExampleEncoder Encoder(int max, bool mask, CharacterEncoder? tokenizer = null) =>
        new(tokenizer ?? new CharacterEncoder(), new EncodeOptions { MaxSeqLength = max, MaskPrompt = mask });

    private static Example One(DataRow row, bool mask = false, CharacterEncoder? tokenizer = null, EncodeOptions? options = null) =>
        new ExampleEncoder(tokenizer ?? new CharacterEncoder(), options
            ?? new EncodeOptions { MaxSeqLength = 999, MaskPrompt = mask }).Encode([row])[0];
}
