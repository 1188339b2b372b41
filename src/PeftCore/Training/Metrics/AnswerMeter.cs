using PeftCore.Data;

namespace PeftCore.Training.Metrics;

/// <summary>Exact match and F1 of the answers to questions, in percent as in SQuAD's script. If some question has no answer, the empty
/// answer is chosen where its score is higher than that of every span.</summary>
internal sealed class AnswerMeter : TaskMeter
{
    private readonly Dictionary<QuestionRow, SpanSelection> _answers = new(ReferenceEqualityComparer.Instance);

    public static IReadOnlyList<string> Names => ["exact_match", "f1"];

    public override void Add(Batch batch, float[] logits)
    {
        int length = logits.Length / (2 * batch.BatchSize), before = length - batch.Length;
        ReadOnlySpan<float> Row(int row) => logits.AsSpan(row * length + before, batch.Length);
        for (int row = 0; row < batch.BatchSize; row++)
        {
            var window = batch.Windows![row];
            if (!_answers.TryGetValue(window.Question, out var selection))
            {
                _answers[window.Question] = selection = new SpanSelection(window.Question.Context);
            }
            selection.Add(window, Row(row), Row(batch.BatchSize + row));
        }
    }

    public override Dictionary<string, double> Scores()
    {
        bool mayBeNone = _answers.Keys.Any(question => question.Answers.Count == 0);
        double exact = 0, f1 = 0;
        foreach (var (question, selection) in _answers)
        {
            string answer = mayBeNone ? selection.TextOrNone() : selection.Text;
            string[] accepted = [.. question.Answers.Select(span => span.Text)];
            exact += AnswerScore.ExactMatch(answer, accepted);
            f1 += AnswerScore.F1(answer, accepted);
        }
        return new() { ["exact_match"] = 100 * exact / _answers.Count, ["f1"] = 100 * f1 / _answers.Count };
    }
}
