using Microsoft.Extensions.Logging;

namespace PeftCore.Extensions.AI;

/// <summary>The messages of the log.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Loaded {Model} from {Directory}: {Parameters} parameters on {Device} in {Seconds:0.00} s.")]
    public static partial void ModelLoaded(ILogger logger, string model, string directory, long parameters, string device, double seconds);

    [LoggerMessage(2, LogLevel.Information, "Adapter {Adapter} is {State} from {Directory}, in {Seconds:0.00} s.")]
    public static partial void AdapterLoaded(ILogger logger, string adapter, string directory, double seconds, string state);

    [LoggerMessage(3, LogLevel.Information, "Adapter {Adapter} does not serve any more.")]
    public static partial void AdapterRemoved(ILogger logger, string adapter);

    [LoggerMessage(4, LogLevel.Debug, "Adapter {Adapter} is freed after its last request.")]
    public static partial void AdapterReleased(ILogger logger, string adapter);

    [LoggerMessage(5, LogLevel.Warning, "{Warning}")]
    public static partial void LoadWarning(ILogger logger, string warning);

    [LoggerMessage(10, LogLevel.Debug, "{Model} answers: {InputTokens} tokens in, {OutputTokens} out, {Reason}, {Seconds:0.000} s.")]
    public static partial void Answered(ILogger logger, string model, int inputTokens, int outputTokens, string reason, double seconds);

    [LoggerMessage(11, LogLevel.Warning, "{Notice}")]
    public static partial void Notice(ILogger logger, string notice);

    [LoggerMessage(12, LogLevel.Warning, "{Model} wrote a tool call that is not in the form of its template; it is given as text.")]
    public static partial void BadToolCall(ILogger logger, string model);

    [LoggerMessage(13, LogLevel.Debug, "{Model} embeds {Texts} texts of {Tokens} tokens in {Seconds:0.000} s.")]
    public static partial void Embedded(ILogger logger, string model, int texts, int tokens, double seconds);

    [LoggerMessage(20, LogLevel.Information, "Training of adapter {Adapter} begins: {Rows} samples, {Steps} steps, {Summary}")]
    public static partial void TrainingStarted(ILogger logger, string adapter, int rows, int steps, string summary);

    [LoggerMessage(21, LogLevel.Debug, "Adapter {Adapter}, step {Step} of {Steps}: loss {Loss:0.0000}, {TokensPerSecond:0} tokens/s.")]
    public static partial void TrainingStep(ILogger logger, string adapter, int step, int steps, double loss, double tokensPerSecond);

    [LoggerMessage(22, LogLevel.Information, "Adapter {Adapter} is trained: {Steps} steps, mean loss {Loss:0.0000}, saved in {Directory}.")]
    public static partial void TrainingEnded(ILogger logger, string adapter, int steps, double loss, string directory);

    [LoggerMessage(23, LogLevel.Information, "Training of adapter {Adapter} is cancelled.")]
    public static partial void TrainingCancelled(ILogger logger, string adapter);

    [LoggerMessage(24, LogLevel.Error, "Training of adapter {Adapter} failed.")]
    public static partial void TrainingFailed(ILogger logger, Exception exception, string adapter);
}
