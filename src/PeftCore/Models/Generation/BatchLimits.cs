using System.Globalization;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Checks what a batch that requests share can hold and do.</summary>
internal static class BatchLimits
{
    /// <summary>Tokens of a row whose keys and values fit.</summary>
    /// <exception cref="BadInputException">They do not fit, or the model cannot share steps.</exception>
    public static int Capacity(TransformerModel model, int maxRows, int maxQueue, int maxTokens, long maxBytes, DType dtype)
    {
        var causal = CausalModel.Of(model);
        KvCache.CheckDType(dtype);
        Require(maxRows > 0, "maxRows", maxRows, 1);
        Require(maxQueue > 0, "maxQueue", maxQueue, 1);
        Require(maxTokens >= 0, "maxTokens", maxTokens, 0);
        Require(maxBytes > 0, "maxCacheBytes", maxBytes, 0);
        long row = maxRows * BatchedDecoder.BytesOfToken(model, dtype);
        int fit = (int)Math.Min(model.MaxLength, maxBytes / row), capacity = maxTokens == 0 ? fit : Math.Min(maxTokens, model.MaxLength);
        if (capacity > fit || fit < 2)
        {
            throw new BadInputException(string.Create(CultureInfo.InvariantCulture,
                $"{maxRows} rows of {Math.Max(2, capacity)} tokens need {Math.Max(2, capacity) * row:N0} bytes of keys and values, but " +
                $"maxCacheBytes allows {maxBytes:N0}: lower maxRows or maxTokens, or allow more"));
        }
        if (causal.LengthOfSharedPositions < capacity)
        {
            throw new BadInputException(
                $"the rotary positions of this {model.ModelType} model depend on the length of a sequence beyond " +
                $"{causal.LengthOfSharedPositions} tokens, so that longer ones cannot share a step with others: set maxTokens to " +
                $"{causal.LengthOfSharedPositions} or fewer");
        }
        return capacity;
    }

    /// <summary>Checks that a request can share steps with others.</summary>
    /// <exception cref="BadInputException">It cannot.</exception>
    public static void Check(GenerationOptions options, DType cacheDType)
    {
        if (options.NumBeams > 1)
        {
            throw new BadInputException($"num_beams is {options.NumBeams}, but a request has one row of the batch; set it to 1, or " +
                "generate with Generator");
        }
        if (options.KvCacheDType is { } dtype && dtype != cacheDType)
        {
            throw new BadInputException($"kv_cache_dtype is {dtype}, but the keys and values of this batch are {cacheDType} for all " +
                "requests; leave it out");
        }
    }

    private static void Require(bool holds, string name, long found, long least)
    {
        if (!holds)
        {
            throw new BadInputException($"{name} is {found}, expected a number of at least {least}");
        }
    }
}
