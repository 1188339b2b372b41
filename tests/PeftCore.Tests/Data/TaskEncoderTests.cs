using PeftCore.Data;
using PeftCore.Models;
using static PeftCore.Tests.Data.CharacterEncoder;

namespace PeftCore.Tests.Data;

/// <summary>Encoders of the tasks besides causal language modelling, with one token per character.</summary>
public sealed class TaskEncoderTests
{
    private static readonly RowPlace Place = new("data.jsonl", 4);
    private static readonly CharacterEncoder Tokenizer = new() { AddsBos = true, AddsEos = true };

    [Test]
    public void A_pair_has_special_tokens_and_types()
    {
        var example = Classes(20, "ab", "cde");
        Assert.That(ShowIds(example), Is.EqualTo("<ab>cde>"));
        Assert.That(example.TypeIds, Is.EqualTo([0, 0, 0, 0, 1, 1, 1, 1]));
        Assert.That(example.IsSpecial, Is.EqualTo([true, false, false, true, false, false, false, true]));
        Assert.That(example.ClassLabel, Is.EqualTo(1));
        Assert.That(Classes(20, "ab", null).TypeIds, Is.Null);
    }

    // The cases of huggingface/tokenizers' own test of longest_first, with room for 7 tokens.
    [TestCase(0, 2, 0, 2)]
    [TestCase(0, 8, 0, 7)]
    [TestCase(2, 2, 2, 2)]
    [TestCase(2, 8, 2, 5)]
    [TestCase(4, 4, 3, 4)]
    [TestCase(4, 8, 3, 4)]
    [TestCase(8, 0, 7, 0)]
    [TestCase(8, 2, 5, 2)]
    [TestCase(8, 4, 4, 3)]
    [TestCase(8, 8, 3, 4)]
    public void Of_a_pair_the_longer_text_is_cut_first(int first, int second, int keptFirst, int keptSecond) =>
        Assert.That(PairEncoder.LongestFirst(first, second, 7), Is.EqualTo((keptFirst, keptSecond)));

    [Test]
    public void A_length_without_room_beside_the_special_tokens_is_refused() => Assert.That(() => Classes(2, "ab", null),
        Throws.TypeOf<BadInputException>().With.Message.Contains("adds 2 special tokens to every text; raise it above 2"));

    [Test]
    public void Numbers_to_predict_are_kept_and_classes_refused_as_such()
    {
        var encoder = new ClassEncoder(Tokenizer, Options(10), new EncodeReport());
        Assert.That(encoder.Encode([new LabelledRow(Place, "a", "2.5") { Value = 2.5 }], null)[0].Score, Is.EqualTo(2.5));
        Assert.That(() => encoder.Encode([new LabelledRow(Place, "a", "b")], null),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the label \"b\" is a class, expected a number"));
    }

    [Test]
    public void Several_classes_become_0_and_1_for_each()
    {
        Example One(DataRow row) => new ExampleEncoder(Tokenizer, Options(10) with
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["x", "y", "z"],
        }).Encode([row])[0];
        Assert.That(One(new LabelsRow(Place, "a", ["z", "x"])).ClassFlags, Is.EqualTo([1f, 0, 1]));
        Assert.That(One(new LabelsRow(Place, "a", [])).ClassFlags, Is.EqualTo([0f, 0, 0]));
        Assert.That(One(new LabelsRow(Place, "a", []) { Values = [0, 1, 0] }).ClassFlags, Is.EqualTo([0f, 1, 0]));
        Assert.That(() => One(new LabelsRow(Place, "a", []) { Values = [0, 1] }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("holds 2 numbers, but there are 3 classes"));
        Assert.That(() => One(new LabelsRow(Place, "a", ["w"])),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the label \"w\" is unknown, expected one of x, y, z"));
        Assert.That(() => new ExampleEncoder(Tokenizer, Options(10) with
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["x", "y"],
            ProblemType = "multi_label_classification",
        }).Encode([new LabelledRow(Place, "a", "x")]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("expected {\"text\", \"labels\"} in every row"));
    }

    [Test]
    public void The_first_token_of_a_word_has_its_tag()
    {
        var row = new TokensRow(Place, ["ab", "c"], ["X", "O"]);
        var tags = LabelMap.OfTags([row]);
        var example = Tagged(10, row, tags);
        Assert.That(tags.Names, Is.EqualTo(["O", "X"]));
        // A character tokenizer marks a word by the space before it, which is the word's first token here.
        Assert.That(ShowIds(example), Is.EqualTo("< ab c>"));
        Assert.That(example.Labels, Is.EqualTo([-100, 1, -100, -100, 0, -100, -100]));
        Assert.That(example.LabelsInPlace);
        Assert.That(Tagged(10, row, tags, all: true).Labels, Is.EqualTo([-100, 1, 1, 1, 0, 0, -100]));
    }

    [Test]
    public void Tagged_words_are_cut_between_words()
    {
        var row = new TokensRow(Place, ["ab", "cdef", "g"], ["X", "O", "O"]);
        var report = new EncodeReport();
        var example = Tagged(9, row, LabelMap.OfTags([row]), report: report);
        Assert.That(ShowIds(example), Is.EqualTo("< ab>"));
        Assert.That((report.Cut, report.WordsCut), Is.EqualTo((1, 2)));
        Assert.That(report.Warnings(9), Has.Some.Contains("2 words were left out").And.Some.Contains("texts are cut between words"));
    }

    [Test]
    public void A_tag_that_is_not_known_is_refused_even_where_the_text_is_cut() => Assert.That(
        () => Tagged(6, new TokensRow(Place, ["ab", "cdef"], ["X", "Y"]), LabelMap.Of(["O", "X"])),
        Throws.TypeOf<BadInputException>().With.Message.EqualTo("data.jsonl, line 4: the label \"Y\" is unknown, expected one of O, X."));

    [Test]
    public void A_context_is_cut_into_windows_and_the_answer_found_in_them()
    {
        var row = new QuestionRow(Place, " q?", "😀bcdefghij", [new AnswerSpan("fg", 5)]);
        var report = new EncodeReport();
        // 5 tokens of the context beside <q?> and >, of which 2 are shared.
        var windows = new QuestionEncoder(Tokenizer, Options(10) with { Stride = 2 }, report).Encode([row]);
        Assert.That(windows.Select(ShowIds), Is.EqualTo(["<q?>😀bcde>", "<q?>defgh>", "<q?>ghij>"]));
        Assert.That(windows.Select(window => window.Span), Is.EqualTo(new (int, int)?[] { (0, 0), (6, 7), (0, 0) }));
        Assert.That(windows[1].Window!.Starts, Is.EqualTo([3, 4, 5, 6, 7]));
        Assert.That((report.ContextsInWindows, report.AnswersCut), Is.EqualTo((1, 0)));
        Assert.That(windows.Select(window => window.TypeIds![4]), Is.All.EqualTo(1));
    }

    [Test]
    public void An_answer_longer_than_a_window_is_counted()
    {
        var report = new EncodeReport();
        new QuestionEncoder(Tokenizer, Options(8) with { Stride = 1 }, report).Encode(
            [new QuestionRow(Place, "q?", "abcdefghij", [new AnswerSpan("abcdef", 0)])]);
        Assert.That(report.Warnings(8), Has.Some.Contains("1 of 1 questions have an answer that no window holds"));
    }

    [TestCase(6, null, "the question has 3 tokens, which with 3 special tokens leave no room")]
    [TestCase(8, 2, "the stride is 2, but beside the question there is room for 2 tokens")]
    public void A_question_without_room_for_its_context_is_refused(int length, int? stride, string sentence) => Assert.That(
        () => new QuestionEncoder(Tokenizer, Options(length) with { Stride = stride }, new EncodeReport()).Encode(
            [new QuestionRow(Place, "abc", "abcdefghij", [])]),
        Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    [Test]
    public void The_best_span_over_all_windows_is_the_answer()
    {
        var row = new QuestionRow(Place, "q", "😀bcdefg", []);
        var windows = new QuestionEncoder(Tokenizer, Options(8) with { Stride = 1 }, new EncodeReport()).Encode([row]);
        Assert.That(windows.Select(ShowIds), Is.EqualTo(["<q>😀bcd>", "<q>defg>"]));
        var selection = new SpanSelection(row.Context, maxTokens: 2);
        float[] starts = [0, 9, 9, 0, 3, 0, 0, 9], ends = [0, 9, 9, 0, 0, 0, 4, 9];
        selection.Add(windows[0].Window!, starts, ends); // "bcd" has the best scores, but is longer than 2 tokens.
        Assert.That((selection.Text, selection.Score), Is.EqualTo(("cd", 4.0)));
        ends[5] = 2;
        selection.Add(windows[1].Window!, starts, ends);
        Assert.That((selection.Text, selection.Score), Is.EqualTo(("ef", 5.0)));
        Assert.That((selection.NoAnswerScore, selection.TextOrNone()), Is.EqualTo((0.0, "ef")));
        Assert.That(selection.TextOrNone(threshold: -6), Is.Empty);
    }

    [Test]
    public void A_target_ends_with_the_end_of_text_token()
    {
        var with = Source(Tokenizer, 20, "ab", "cd");
        var without = Source(new CharacterEncoder { AddsBos = true }, 20, "ab", "cd");
        Assert.That((ShowIds(with), Text(with.TargetIds!)), Is.EqualTo(("<ab>", "<cd>")));
        Assert.That((ShowIds(without), Text(without.TargetIds!)), Is.EqualTo(("<ab", "<cd>")));
    }

    [Test]
    public void Sources_and_targets_are_cut_at_their_ends()
    {
        var report = new EncodeReport();
        var example = new SourceEncoder(Tokenizer, Options(5) with { MaxTargetLength = 4 }, report)
            .Encode([new SourceRow(Place, "abcdef", "ghij")])[0];
        Assert.That((ShowIds(example), Text(example.TargetIds!)), Is.EqualTo(("<abc>", "<gh>")));
        Assert.That((report.Cut, report.TargetsCut), Is.EqualTo((1, 1)));
    }

    [Test]
    public void The_longest_label_gives_the_length_of_targets_and_no_label_is_cut()
    {
        var report = new EncodeReport();
        DataRow[] rows = [new LabelledRow(Place, "abcdef", "no complaint"), new LabelledRow(Place, "x", "yes")];
        var examples = new SourceEncoder(Tokenizer, Options(5), report).Encode(rows);
        Assert.That((ShowIds(examples[0]), Text(examples[0].TargetIds!)), Is.EqualTo(("<abc>", "<no complaint>")));
        Assert.That(examples.Select(example => example.IsLabel), Is.All.True);
        Assert.That(report.TargetsCut, Is.Zero);
        Assert.That(() => new SourceEncoder(Tokenizer, Options(5) with { MaxTargetLength = 8 }, report).Encode(rows),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the label \"no complaint\" has 14 tokens, but targets may have 8, which "
                + "would cut it; raise max_target_length"));
    }

    [Test]
    public void Prompts_instructions_and_labels_have_a_source_and_a_target()
    {
        DataRow[] rows = [new PromptRow(Place, "p", "c"), new InstructionRow(Place, "i", "x", "o"), new LabelledRow(Place, "t", "no complaint")];
        Assert.That(rows.Select(SourceEncoder.TextsOf), Is.EqualTo([("p", "c"), ("i\n\nx", "o"), ("t", "no complaint")]));
        Assert.That(new SourceEncoder(Tokenizer, Options(20), new EncodeReport()).LongestTarget(rows), Is.EqualTo(14));
        Assert.That(() => SourceEncoder.TextsOf(new TextRow(Place, "t")), Throws.TypeOf<BadInputException>().With.Message.Contains(
            "the row has \"text\" alone, expected {\"source\", \"target\"}"));
    }

    [Test]
    public void Similar_texts_have_a_negative_in_every_row_or_in_none()
    {
        var encoder = new ContrastEncoder(Tokenizer, Options(20), new EncodeReport());
        var example = encoder.Encode([new ContrastRow(Place, "a", "b", "c")])[0];
        Assert.That((ShowIds(example), ShowIds(example.Positive!), ShowIds(example.Negative!)), Is.EqualTo(("<a>", "<b>", "<c>")));
        Assert.That(() => encoder.Encode([new ContrastRow(Place, "a", "b", null), new ContrastRow(Place, "a", "b", "c")]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("has a \"negative\", which the rows before it have not"));
    }

    [Test]
    public void Documents_are_cut_into_blocks_with_special_tokens()
    {
        var examples = new MaskedTextEncoder(Tokenizer, Options(5), new EncodeReport()).Encode([new DocumentRow(Place, "abcdefg")]);
        Assert.That(examples.Select(ShowIds), Is.EqualTo(["<abc>", "<def>", "<g>"]));
    }

    [Test]
    public void A_tokenizer_without_a_mask_token_is_refused() => Assert.That(
        () => new MaskedTextEncoder(new CharacterEncoder { MaskId = null }, Options(9), new EncodeReport()),
        Throws.TypeOf<BadInputException>().With.Message.Contains("has no mask token"));

    [Test]
    public void The_task_of_the_options_chooses_the_encoder()
    {
        Example One(ModelTask task, DataRow row, params string[] labels) =>
            new ExampleEncoder(Tokenizer, Options(20) with { Task = task, Labels = labels }).Encode([row])[0];
        Assert.That(One(ModelTask.SequenceClassification, new LabelledRow(Place, "a", "1"), "no", "yes").ClassLabel, Is.EqualTo(1));
        Assert.That(One(ModelTask.SequenceClassification, new LabelledRow(Place, "a", "1") { Value = 1 }).Score, Is.EqualTo(1));
        Assert.That(One(ModelTask.TokenClassification, new TokensRow(Place, ["a"], ["O"]), "X", "O").Labels, Does.Contain(1));
        Assert.That(One(ModelTask.QuestionAnswering, new QuestionRow(Place, "q", "c", [])).Window, Is.Not.Null);
        Assert.That(One(ModelTask.Seq2SeqLm, new SourceRow(Place, "a", "b")).TargetIds, Is.Not.Null);
        Assert.That(One(ModelTask.MaskedLm, new TextRow(Place, "a")).Masking, Is.Not.Null);
        Assert.That(One(ModelTask.FeatureExtraction, new ContrastRow(Place, "a", "b", null)).Positive, Is.Not.Null);
        Assert.That(One(ModelTask.CausalLm, new TextRow(Place, "ab")).LabelsInPlace, Is.False);
    }

    [Test]
    public void Class_numbers_are_indices_only_where_the_names_are_no_numbers()
    {
        Assert.That(LabelMap.Of(["NEGATIVE", "POSITIVE"]).IdOf(Place, "1"), Is.EqualTo(1));
        Assert.That(() => LabelMap.Of(["NEGATIVE", "POSITIVE"]).IdOf(Place, "2"), Throws.TypeOf<BadInputException>());
        Assert.That(LabelMap.Of(["1", "0"]).IdOf(Place, "1"), Is.Zero);
    }

    [Test]
    public void A_row_of_another_task_is_refused_by_each_encoder()
    {
        DataRow[] rows = [new SourceRow(Place, "a", "b")];
        var report = new EncodeReport();
        Assert.That(() => new ClassEncoder(Tokenizer, Options(9), report).Encode(rows, null), Refuses("for classification"));
        Assert.That(() => new TokenClassEncoder(Tokenizer, Options(9), report).Encode(rows, LabelMap.Of([])), Refuses("for token classification"));
        Assert.That(() => new QuestionEncoder(Tokenizer, Options(9), report).Encode(rows), Refuses("for question answering"));
        Assert.That(() => new ContrastEncoder(Tokenizer, Options(9), report).Encode(rows), Refuses("for contrastive training"));
        Assert.That(() => new MaskedTextEncoder(Tokenizer, Options(9), report).Encode(rows), Refuses("for masked language modelling"));
        Assert.That(() => new ExampleEncoder(Tokenizer, Options(9)).Encode(rows), Refuses("is not for a causal language model"));
    }

    private static NUnit.Framework.Constraints.Constraint Refuses(string sentence) =>
        Throws.TypeOf<BadInputException>().With.Message.Contains(sentence);

    private static EncodeOptions Options(int length) => new() { MaxSeqLength = length };

    private static string Text(int[] ids) => ShowIds(new Example(ids, ids));

    private static Example Classes(int length, string text, string? pair) =>
        new ClassEncoder(Tokenizer, Options(length), new EncodeReport()).Encode([new LabelledRow(Place, text, "pos") { Pair = pair }], LabelMap.Of(["neg", "pos"]))[0];

    private static Example Tagged(int length, TokensRow row, LabelMap tags, bool all = false, EncodeReport? report = null) =>
        new TokenClassEncoder(Tokenizer, Options(length) with { LabelAllTokens = all }, report ?? new EncodeReport())
            .Encode([row], tags)[0];

    private static Example Source(CharacterEncoder tokenizer, int length, string source, string target) =>
        new SourceEncoder(tokenizer, Options(length), new EncodeReport()).Encode([new SourceRow(Place, source, target)])[0];
}
