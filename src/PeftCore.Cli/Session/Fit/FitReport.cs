using System.CommandLine;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Verbs;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session.Fit;

/// <summary>Runs --fit for a verb and prints what it finds.</summary>
internal static class FitReport
{
    private const int MostPrinted = 8;

    /// <summary>The flag. It is none of the settings, whose file holds what it finds.</summary>
    public static Option<bool> NewFlag(string description) => new("--fit") { Description = description };

    /// <summary>Prints all proposals.</summary>
    /// <param name="call">The terminal.</param>
    /// <param name="source">The model and the settings that the user gave.</param>
    public static VerbResult Print(Invocation call, ModelSource source)
    {
        source = source with { Options = FitLimit.Within(source.Options) };
        var search = new FitSearch(source);
        var report = new JsonReport().Add("device", source.Options.Device).Add("limit_bytes", source.Options.MaxMemory!.Value.Bytes)
            .Add("proposals", search.Proposals.Select(one => ReportOf(one, search.Axes)))
            .Add("left_out", search.LeftOut.Select(one => new JsonReport().Add("flags", one.Flags).Add("why", one.Why)));
        if (search.Proposals.Count == 0)
        {
            string refusal = search.Refusal();
            call.Say($"this does not fit: {refusal}");
            return VerbResult.Failed(report.Add("refusal", refusal));
        }
        call.Say($"within {source.Options.MaxMemory} of {source.Options.Device}, the fastest first; speeds are predicted, memory is " +
            "planned");
        foreach (var (i, one) in search.Proposals.Take(MostPrinted).Index())
        {
            call.Say($"{i + 1}. {Words(one, search.Axes)}");
            call.Say($"   {search.Axes.FlagsOf(one.Options)}");
        }
        if (search.Proposals.Count > MostPrinted)
        {
            call.Say($"and {search.Proposals.Count - MostPrinted} slower ones, which --json lists");
        }
        foreach (var reason in search.LeftOut.GroupBy(left => left.Why))
        {
            int more = reason.Count() - 1;
            string others = more == 0 ? "" : more == 1 ? " and 1 more choice" : $" and {more} more choices";
            call.Note($"left out {reason.First().Flags}{others}: {reason.Key}");
        }
        return VerbResult.Done(report);
    }

    /// <summary>The settings of the first proposal, which is printed.</summary>
    /// <param name="call">The terminal.</param>
    /// <param name="source">The model and the settings that the user gave.</param>
    /// <exception cref="BadInputException">Nothing fits.</exception>
    public static TrainOptions Choose(Invocation call, ModelSource source)
    {
        var search = new FitSearch(source with { Options = FitLimit.Within(source.Options) });
        if (search.Proposals.Count == 0)
        {
            throw new BadInputException(search.Refusal() + ".");
        }
        var first = search.Proposals[0];
        call.Say($"fit: {Words(first, search.Axes)}");
        call.Say($"     {search.Axes.FlagsOf(first.Options)}");
        return first.Options;
    }

    private static string Words(FitProposal one, FitAxes axes)
    {
        var cost = one.Cost;
        string rate = axes.ReadsTokens ? string.Create(CultureInfo.InvariantCulture, $"{cost.TokensPerSecond:N0} tok/s")
            : string.Create(CultureInfo.InvariantCulture, $"{cost.SamplesPerSecond:N1} samples/s");
        string storage = one.Storage switch
        {
            BaseStorage.AsStored => "",
            BaseStorage.Int8 => "; the base quantised to INT8, which changes the loss",
            _ => $"; the base quantised to {(one.Options.Quantization.Type ?? "nf4").ToUpperInvariant()}, which changes the loss",
        };
        string places = (one.Plan.HostBytes > 0 ? $"; {new ByteSize(one.Plan.HostBytes)} kept on the host, " +
            $"{new ByteSize(one.Plan.StreamedBytes)} copied to the device a step" : "")
            + (one.DiskBytes > 0 ? $"; {new ByteSize(one.DiskBytes)} of weights left on disk" : "");
        return $"{rate}, peak {new ByteSize(one.Plan.PeakBytes)}, batch {one.Options.BatchSize}"
            + $"{(axes.ReadsTokens ? $" × {one.Length}" : "")}{storage}{places}";
    }

    private static JsonReport ReportOf(FitProposal one, FitAxes axes) => new JsonReport().Add("flags", axes.FlagsOf(one.Options))
        .Add(axes.ReadsTokens ? "tok_s" : "samples_s", axes.ReadsTokens ? one.Cost.TokensPerSecond : one.Cost.SamplesPerSecond)
        .Add("planned_bytes", one.Plan.PeakBytes).Add("reserved_bytes", one.Plan.ReservedBytes).Add("host_bytes", one.Plan.HostBytes)
        .Add("streamed_bytes", one.Plan.StreamedBytes).Add("disk_bytes", one.DiskBytes).Add("batch_size", one.Options.BatchSize)
        .Add("max_seq_length", one.Length)
        .Add("gradient_checkpointing", one.Options.OffloadCheckpoints ? "offload" : one.Options.GradientCheckpointing ? "true" : "false")
        .Add("dtype", one.Options.Dtype == DType.BF16 ? "bf16" : "f32")
        .Add("quantized", one.IsQuantized);
}
