namespace PeftCore.Lab.Engine;

/// <summary>What one training step measured.</summary>
/// <param name="Step">Number of the step, from 1.</param>
/// <param name="Loss">Mean loss of the step's targets, in nats.</param>
/// <param name="TokensPerSecond">Tokens of the batch over the time of the step.</param>
/// <param name="GradientNorm">L2 norm of all gradients, before clipping.</param>
/// <param name="LayerNorms">L2 norms of the gradients of each layer, in the order of <see cref="LayerNorms.Names"/>.</param>
/// <param name="PeakBytes">The most bytes of live tensors in the step, the model included.</param>
internal sealed record StepRecord(int Step, double Loss, double TokensPerSecond, double GradientNorm, IReadOnlyList<double> LayerNorms,
    long PeakBytes);

/// <summary>What was measured between two steps, on text that is not trained on.</summary>
/// <param name="Step">Number of steps before it.</param>
/// <param name="Held">Loss on the held-out rows.</param>
/// <param name="Base">Loss on passages as the base model was trained on; what it rises above that of step 0 is forgotten.</param>
/// <param name="Text">The greedy continuation of the prompt.</param>
internal sealed record LabEvaluation(int Step, double Held, double Base, string Text);
