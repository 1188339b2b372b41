using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>
/// The part of a Hopper kernel that C# cannot say. A kernel emits one-line macros (peft.begin, peft.multiply, ...); here they become PTX:
/// accumulators in registers declared once, copies, and whole runs of wgmma instructions. Layouts are those of the PTX manual's matrix
/// descriptors with 128-byte swizzle.
/// </summary>
internal static partial class WgmmaPtx
{
    internal const string Shared = "peft_shared";
    private const ulong Swizzle128 = 1UL << 62;
    private const ulong EightRows = 1024 >> 4;       // bytes from one group of eight rows to the next
    private const ulong NextBlock = 8192 >> 4;       // bytes from one block of 64 columns to the next, where M or N is contiguous

    /// <summary>Writes one macro out; false where it knows none of that name.</summary>
    internal delegate bool MacroWriter(StringBuilder text, string[] name, string[] arguments);

    /// <summary>Makes loadable PTX of what ILGPU compiled: another target, and every macro written out.</summary>
    public static string Expand(string ptx) => FlashPtx.For(ptx) is { } flash ? Expand(FlashPtx.Align(ptx), flash.Write) : Expand(ptx, static (_, _, _) => false);

    /// <summary>Makes loadable PTX of what ILGPU compiled, with one parameter more and in clusters of so many groups.</summary>
    public static string Expand(string ptx, MacroWriter write, string? parameter = null, int cluster = 1, string target = "sm_90a")
    {
        StringBuilder text = new(ptx.Length * 4);
        foreach (string line in ptx.Split('\n'))
        {
            Match macro = Macro().Match(line);
            if (macro.Success)
            {
                string[] arguments = macro.Groups["arguments"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                string name = macro.Groups["name"].Value;
                if (!write(text, name.Split('.'), arguments))
                {
                    throw new InvalidOperationException($"there is no macro peft.{name}");
                }
                continue;
            }
            if (line.StartsWith(".target", StringComparison.Ordinal))
            {
                text.Append(".target ").Append(target).Append('\n');
                continue;
            }
            bool last = parameter is not null && line.StartsWith("\t.param", StringComparison.Ordinal);
            text.Append(line).Append(last ? ",\n\t" + parameter + "\n" : "\n");
            if (line.StartsWith(".address_size", StringComparison.Ordinal))
            {
                text.Append(".extern .shared .align 1024 .b8 ").Append(Shared).Append("[];\n");
            }
            else if (cluster > 1 && line.StartsWith(".maxntid", StringComparison.Ordinal))
            {
                text.Append(CultureInfo.InvariantCulture, $".reqnctapercluster {cluster}, 1, 1\n");
            }
        }
        return text.ToString();
    }

    /// <summary>Name of the one kernel in a module.</summary>
    public static string EntryOf(string ptx) => Entry().Match(ptx).Groups["name"].Value;

    /// <summary>The descriptor of an operand at an offset in shared memory, into a register; uses the register at.</summary>
    internal static void Descriptor(StringBuilder text, string name, string offset, bool transposed)
    {
        ulong constant = Swizzle128 | (EightRows << 32) | ((transposed ? NextBlock : 1UL) << 16);
        text.Append($"add.u32 at, sbase, {offset};\nand.b32 at, at, 0x3FFFF;\nshr.u32 at, at, 4;\ncvt.u64.u32 {name}, at;\n");
        text.Append(CultureInfo.InvariantCulture, $"or.b64 {name}, {name}, 0x{constant:X};\n");
    }

    /// <summary>What a descriptor moves by for 16 elements of K: 32 bytes along a row, or 16 rows of 128 bytes.</summary>
    internal static int Step(bool transposed) => (transposed ? 16 * 128 : 16 * 2) >> 4;

    [GeneratedRegex(@"^\s*peft\.(?<name>[\w.]+)\s*(?<arguments>[^;]*);\s*$")]
    private static partial Regex Macro();

    [GeneratedRegex(@"\.entry\s+(?<name>\w+)")]
    private static partial Regex Entry();
}
