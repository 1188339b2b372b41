namespace PeftCore.Data;

/// <summary>The part of a context that one sample of question answering shows.</summary>
/// <param name="Row">Index of the question among the rows.</param>
/// <param name="First">Index of the part's first token in the sample.</param>
/// <param name="Starts">Start of each of its tokens in the context, in code points.</param>
/// <param name="Ends">End of each of its tokens in the context, in code points.</param>
internal sealed record QuestionWindow(int Row, int First, int[] Starts, int[] Ends);
