namespace PeftCore.Data;

/// <summary>Encodes questions with their contexts: question and context as a pair. A context that is too long becomes several windows that
/// overlap by the stride (transformers' only_second with overflowing tokens). The labels are the first and the last token of the answer; a
/// window without the whole answer has the first token, [CLS], as both.</summary>
internal sealed class QuestionEncoder
{
    private const int UsualStride = 128;

    private readonly ITextEncoder _tokenizer;
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly SequenceTemplate _template;

    public QuestionEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        (_tokenizer, _options, _report, _template) = (tokenizer, options, report, SequenceTemplate.OfTwo(tokenizer));
    }

    /// <exception cref="BadInputException">A row has no question, or a question leaves no room for the context.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        foreach (var other in rows)
        {
            _report.Rows++;
            var row = other as QuestionRow ?? throw other.Place.Error($"the row has {RowForm.NameOf(other)}, expected "
                + "{\"question\", \"context\", \"answers\"} in every row for question answering");
            AddWindows(row, examples);
        }
        return _report.Finish(rows, examples);
    }

    private void AddWindows(QuestionRow row, List<Example> examples)
    {
        int[] question = _tokenizer.Encode(row.Question.TrimStart(), addSpecialTokens: false).Ids;
        var context = _tokenizer.Encode(row.Context, addSpecialTokens: false);
        int room = _options.MaxSeqLength - _template.Added - question.Length;
        if (room < 1)
        {
            throw row.Place.Error($"the question has {question.Length} tokens, which with {_template.Added} special tokens leave no room " +
                $"for the context in max_seq_length {_options.MaxSeqLength}; raise it, or shorten the question");
        }
        int stride = _options.Stride ?? Math.Min(UsualStride, room / 2);
        if (stride >= room && context.Ids.Length > room)
        {
            throw row.Place.Error($"the stride is {stride}, but beside the question there is room for {room} tokens of the context; " +
                "lower it");
        }
        bool answered = false;
        int first = examples.Count, start = 0;
        while (true)
        {
            int end = Math.Min(start + room, context.Ids.Length);
            var joined = _template.Join(question, context.Ids.AsSpan(start, end - start));
            var window = new QuestionWindow(row, joined.SecondStart, context.Starts[start..end], context.Ends[start..end]);
            var span = row.Answers is [var answer, ..] ? SpanOf(window, answer) : null;
            answered |= span is not null;
            examples.Add(joined.ToExample() with { Span = span ?? (0, 0), Window = window, TaskId = row.TaskId });
            if (end == context.Ids.Length)
            {
                break;
            }
            start += room - stride;
        }
        _report.ContextsInWindows += examples.Count - first > 1 ? 1 : 0;
        _report.AnswersCut += row.Answers.Count > 0 && !answered ? 1 : 0;
    }

    /// <summary>The tokens of an answer in a window: the last that starts at or before its start, and the first that ends at or after its
    /// end. Null if the window does not hold the whole answer.</summary>
    private static (int Start, int End)? SpanOf(QuestionWindow window, AnswerSpan answer)
    {
        int count = window.Starts.Length;
        if (count == 0 || window.Starts[0] > answer.Start || window.Ends[count - 1] < answer.End)
        {
            return null;
        }
        int start = 0, end = count - 1;
        while (start + 1 < count && window.Starts[start + 1] <= answer.Start)
        {
            start++;
        }
        while (end > 0 && window.Ends[end - 1] >= answer.End)
        {
            end--;
        }
        return (window.First + start, window.First + end);
    }
}
