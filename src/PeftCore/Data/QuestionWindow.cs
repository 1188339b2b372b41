namespace PeftCore.Data;

/// <summary>The part of a context that one sample of question answering shows.</summary>
/// <param name="Question">The question, its context and the accepted answers.</param>
/// <param name="First">Index of the part's first token in the sample.</param>
/// <param name="Starts">Start of each of its tokens in the context, in code points.</param>
/// <param name="Ends">End of each of its tokens in the context, in code points.</param>
internal sealed record QuestionWindow(QuestionRow Question, int First, int[] Starts, int[] Ends);
