using PeftCore.Training.Metrics;

namespace PeftCore.Tests.Training.Metrics;

/// <summary>Scores against the values of the packages whose definitions they have, from their documentation, and by hand.</summary>
public sealed class ScoreTests
{
    private static readonly int[] Classes = [0, 1, 2, 0, 1, 2];
    private static readonly int[] Predicted = [0, 2, 1, 0, 0, 1];

    [Test]
    public void F1_of_classes_is_scikit_learns()
    {
        Assert.That(ClassScores.MacroF1(Predicted, Classes), Is.EqualTo(0.26666666666666666).Within(1e-15));
        Assert.That(ClassScores.MicroF1(Predicted, Classes), Is.EqualTo(1 / 3.0).Within(1e-15));
        Assert.That(ClassScores.WeightedF1(Predicted, Classes), Is.EqualTo(0.26666666666666666).Within(1e-15));
        Assert.That(ClassScores.Accuracy(Predicted, Classes), Is.EqualTo(1 / 3.0).Within(1e-15));
        Assert.That(ClassScores.BinaryF1([1, 1, 0, 0], [1, 0, 1, 0]), Is.EqualTo(0.5));
        Assert.That(ClassScores.BinaryF1([0], [0]), Is.Zero);
        Assert.That(ClassScores.Accuracy(["a", "b"], ["a", "c"]), Is.EqualTo(0.5));
    }

    [Test]
    public void Matthews_correlation_is_scikit_learns()
    {
        Assert.That(ClassScores.Matthews([1, -1, 1, 1], [1, 1, 1, -1]), Is.EqualTo(-1 / 3.0).Within(1e-15));
        Assert.That(ClassScores.Matthews([1, 1], [0, 1]), Is.Zero);
        Assert.That(ClassScores.Matthews(Classes, Classes), Is.EqualTo(1).Within(1e-15));
    }

    [Test]
    public void Correlations_are_scipys()
    {
        Assert.That(Correlation.Pearson([1, 2, 3, 4, 5], [10, 9, 2.5, 6, 4]), Is.EqualTo(-0.7426106572325057).Within(1e-14));
        Assert.That(Correlation.Spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), Is.EqualTo(0.8207826816681233).Within(1e-14));
        Assert.That(Correlation.Pearson([1, 1], [1, 2]), Is.NaN);
        Assert.That(Correlation.MeanSquaredError([1, 2], [1, 4]), Is.EqualTo(2));
    }

    [Test]
    public void Predictions_of_another_number_than_samples_are_refused() =>
        Assert.That(() => ClassScores.Accuracy([1], [1, 2]), Throws.ArgumentException.With.Message.Contains("1 predictions for 2 samples"));

    [TestCase("The  Eiffel-Tower!", "eiffeltower")]
    [TestCase("an apple, the tree", "apple tree")]
    [TestCase("Theatre of A.", "theatre of")]
    [TestCase("\u201Cquoted\u201D", "\u201Cquoted\u201D")]
    public void Answers_are_normalized_as_in_SQuAD(string text, string normalized) =>
        Assert.That(AnswerScore.Normalize(text), Is.EqualTo(normalized));

    [Test]
    public void Exact_match_and_F1_take_the_best_accepted_answer()
    {
        Assert.That(AnswerScore.ExactMatch("the Cat.", ["dog", "cat"]), Is.EqualTo(1));
        Assert.That(AnswerScore.ExactMatch("cats", ["dog", "cat"]), Is.Zero);
        Assert.That(AnswerScore.F1("the black cat", ["black dog", "white cat sleeps"]), Is.EqualTo(0.5));
        Assert.That(AnswerScore.F1("cat cat", ["cat"]), Is.EqualTo(2 / 3.0).Within(1e-15));
        Assert.That(AnswerScore.F1("cat", []), Is.Zero);
        Assert.That(AnswerScore.F1("", []), Is.EqualTo(1));
        Assert.That(AnswerScore.ExactMatch("", []), Is.EqualTo(1));
    }

    [Test]
    public void Entities_are_seqevals()
    {
        string[][] correct = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]];
        string[][] predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]];
        var score = EntityScore.Of(predicted, correct);
        Assert.That((score.Precision, score.Recall, score.F1), Is.EqualTo((0.5, 0.5, 0.5)));
        Assert.That(ClassScores.Accuracy([.. predicted.SelectMany(t => t)], [.. correct.SelectMany(t => t)]), Is.EqualTo(0.8));
    }

    [TestCase("B-PER I-PER O B-LOC", "PER 0-1 LOC 3-3")]
    [TestCase("I-PER I-PER O I-LOC", "PER 0-1 LOC 3-3")]
    [TestCase("B-PER B-PER I-LOC", "PER 0-0 PER 1-1 LOC 2-2")]
    [TestCase("B-A-B I-A-B O", "A-B 0-1")]
    [TestCase("S-X E-X I-X", "X 0-0 X 1-1 X 2-2")]
    [TestCase("B I O", "_ 0-1")]
    [TestCase("O O", "")]
    public void Lenient_schemes_mark_entities(string tags, string entities) =>
        Assert.That(string.Join(' ', EntityScore.EntitiesOf(tags.Split(' ')).Select(e => $"{e.Type} {e.First}-{e.Last}")), Is.EqualTo(entities));

    [Test]
    public void Tags_without_a_scheme_mark_no_entities()
    {
        Assert.That(EntityScore.MarkEntities(["O", "B-PER", "I-PER", "S-X"]));
        Assert.That(EntityScore.MarkEntities(["0", "1"]), Is.False);
        Assert.That(EntityScore.MarkEntities(["NOUN"]), Is.False);
    }

    [Test]
    public void Rouge_is_that_of_rouge_score()
    {
        const string Reference = "The quick brown fox jumps over the lazy dog", Text = "The quick brown dog jumps on the log.";
        Assert.That(RougeScore.OfRuns(Text, Reference, 1), Is.EqualTo(2 * 0.75 * (6 / 9.0) / (0.75 + 6 / 9.0)).Within(1e-15));
        Assert.That(RougeScore.OfRuns(Text, Reference, 2), Is.EqualTo(2 * (2 / 7.0) * 0.25 / (2 / 7.0 + 0.25)).Within(1e-15));
        Assert.That(RougeScore.OfSubsequence(Text, Reference), Is.EqualTo(2 * 0.625 * (5 / 9.0) / (0.625 + 5 / 9.0)).Within(1e-15));
        Assert.That(RougeScore.OfRuns("testing", "testing one two", 1), Is.EqualTo(0.5));
        Assert.That(RougeScore.OfSubsequence("testing one two", "two testing one"), Is.EqualTo(2 / 3.0).Within(1e-15));
        Assert.That(RougeScore.OfSubsequence("", "a"), Is.Zero);
        Assert.That(RougeScore.OfRuns("a", "a", 2), Is.Zero);
        Assert.That(RougeScore.Mean(["a b", "c"], ["a b", "d"]), Is.EqualTo((0.5, 0.5, 0.5)));
    }

    [Test]
    public void Bleu_is_sacrebleus()
    {
        // The example of sacrebleu's README.
        string[] texts = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."];
        string[][] references = [["The dog bit the man.", "The dog had bit the man."], ["It was not unexpected.", "No one was surprised."],
            ["The man bit him first.", "The man had bitten the dog."]];
        Assert.That(BleuScore.Of(texts, references), Is.EqualTo(48.530827009929865).Within(1e-9));
        Assert.That(BleuScore.Of(["hello there general kenobi", "foo bar foobar"], ["hello there general kenobi", "foo bar foobar"]),
            Is.EqualTo(100).Within(1e-9));
    }

    [Test]
    public void Bleu_smooths_precisions_of_zero()
    {
        Assert.That(BleuScore.Of(["a b c d"], ["a x c y"]), Is.EqualTo(100 * Math.Pow(0.5 / (2 * 3) / (4 * 2) / 8, 0.25)).Within(1e-9));
        Assert.That(BleuScore.Of(["a b c d"], ["w x y z"]), Is.Zero);
        Assert.That(BleuScore.Of(["a b"], ["a b"]), Is.Zero);
        Assert.That(BleuScore.Of(["a b c d"], ["a b c d e"]), Is.EqualTo(100 * Math.Exp(1 - 5 / 4.0)).Within(1e-9));
    }

    [TestCase("It costs 1,000.50, not \"3.5\"!", "It costs 1,000.50 , not \" 3.5 \" !")]
    [TestCase("a-b 1-2 3.a", "a-b 1 - 2 3 . a")]
    [TestCase("x &amp; y &lt;skipped&gt;", "x & y < skipped >")]
    [TestCase("don't (go)/stay…", "don't ( go ) / stay…")]
    public void Words_are_split_as_mteval_13a(string text, string words) =>
        Assert.That(string.Join(' ', BleuScore.Words(text)), Is.EqualTo(words));

    [Test]
    public void Generated_texts_have_all_metrics_of_texts()
    {
        var scores = TextScores.Of([" no complaint", "complaint"], ["no complaint", "no complaint"]);
        Assert.That(scores["accuracy"], Is.EqualTo(0.5));
        Assert.That(scores["rougeL"], Is.EqualTo((1 + 2 / 3.0) / 2).Within(1e-15));
        Assert.That(scores["rouge2"], Is.EqualTo(0.5));
        Assert.That(scores.Keys, Is.EqualTo(["accuracy", "rouge1", "rouge2", "rougeL", "bleu"]));
    }

    [Test]
    public void Generated_labels_have_an_f1_in_which_a_text_that_is_no_label_is_a_class_of_its_own()
    {
        var scores = TextScores.Of(["no complaint", "complaint", "who?"], ["no complaint", "no complaint", "complaint"], areLabels: true);
        Assert.That(scores["accuracy"], Is.EqualTo(1 / 3.0).Within(1e-15));
        Assert.That(scores["f1"], Is.EqualTo((2 / 3.0 + 0 + 0) / 3).Within(1e-15));
    }
}
