using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>
/// The part of a Hopper kernel that C# cannot say. A kernel emits one-line macros (peft.begin, peft.copy, peft.multiply, peft.drain,
/// peft.store); here they become PTX: accumulators in registers declared once, cp.async, and whole runs of wgmma instructions.
/// Layouts are those of the PTX manual's matrix descriptors with 128-byte swizzle.
/// </summary>
internal static partial class WgmmaPtx
{
    /// <summary>Rows of a tile: two warpgroups of 64.</summary>
    public const int TileM = 128;

    /// <summary>How much of K a stage holds: 128 bytes of BF16.</summary>
    public const int Depth = 64;

    /// <summary>Stages in flight.</summary>
    public const int Stages = 4;

    /// <summary>Bytes of A's part of a stage.</summary>
    public const int BytesA = TileM * Depth * 2;

    private const string Shared = "peft_shared";
    private const ulong Swizzle128 = 1UL << 62;
    private const ulong EightRows = 1024 >> 4;       // bytes from one group of eight rows to the next
    private const ulong NextBlock = 8192 >> 4;       // bytes from one block of 64 columns to the next, where M or N is contiguous

    /// <summary>Bytes of one stage.</summary>
    public static int StageBytes(int tileN) => BytesA + (tileN * Depth * 2);

    /// <summary>Dynamic shared memory of a group; the stages start at a multiple of 1024.</summary>
    public static int SharedBytes(int tileN) => (Stages * StageBytes(tileN)) + 1024;

    /// <summary>Makes loadable PTX of what ILGPU compiled: another target, and every macro written out.</summary>
    public static string Expand(string ptx)
    {
        StringBuilder text = new(ptx.Length * 4);
        foreach (string line in ptx.Split('\n'))
        {
            Match macro = Macro().Match(line);
            if (macro.Success)
            {
                string[] arguments = macro.Groups["arguments"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                Write(text, macro.Groups["name"].Value.Split('.'), arguments);
            }
            else if (line.StartsWith(".target", StringComparison.Ordinal))
            {
                text.Append(".target sm_90a\n");
            }
            else if (line.StartsWith(".address_size", StringComparison.Ordinal))
            {
                text.Append(line).Append('\n').Append(".extern .shared .align 1024 .b8 ").Append(Shared).Append("[];\n");
            }
            else
            {
                text.Append(line).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>Name of the one kernel in a module.</summary>
    public static string EntryOf(string ptx) => Entry().Match(ptx).Groups["name"].Value;

    private static void Write(StringBuilder text, string[] name, string[] arguments)
    {
        switch (name[0])
        {
            case "begin": Begin(text, Number(name[1])); break;
            case "copy": Copy(text, arguments); break;
            case "multiply": Multiply(text, Number(name[1]), name[2][0] == 't', name[2][1] == 't', arguments); break;
            case "drain": text.Append("wgmma.wait_group.sync.aligned 0;\n"); break;
            case "store": Store(text, Number(name[1]), arguments); break;
            default:
                if (!FlashPtx.Write(text, name, arguments))
                {
                    throw new InvalidOperationException($"there is no macro peft.{string.Join('.', name)}");
                }

                break;
        }
    }

    private static void Begin(StringBuilder text, int tileN)
    {
        text.Append(CultureInfo.InvariantCulture, $".reg .f32 acc<{tileN / 2}>;\n.reg .u32 sbase;\n.reg .pred always;\n");
        text.Append($"mov.u32 sbase, {Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\nsetp.eq.u32 always, sbase, sbase;\n");
        for (int i = 0; i < tileN / 2; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"mov.f32 acc{i}, 0f00000000;\n");
        }
    }

    // Offset in shared memory, global address, bytes to read of the 16 written: the rest becomes zero.
    private static void Copy(StringBuilder text, string[] a) => text.Append(
        $"{{\n.reg .u32 target;\nadd.u32 target, sbase, {a[0]};\ncp.async.cg.shared.global [target], [{a[1]}], 16, {a[2]};\n}}\n");

    private static void Multiply(StringBuilder text, int tileN, bool transposeA, bool transposeB, string[] a)
    {
        string sums = string.Join(", ", Enumerable.Range(0, tileN / 2).Select(i => "acc" + i.ToString(CultureInfo.InvariantCulture)));
        text.Append("{\n.reg .u32 at;\n.reg .u64 da, db;\n");
        Descriptor(text, "da", a[0], transposeA);
        Descriptor(text, "db", a[1], transposeB);
        text.Append("wgmma.fence.sync.aligned;\n");
        for (int k = 0; k < Depth; k += 16)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"wgmma.mma_async.sync.aligned.m64n{tileN}k16.f32.bf16.bf16 {{{sums}}}, da, db, always, 1, 1, {Bit(transposeA)}, {Bit(transposeB)};\n");
            text.Append(CultureInfo.InvariantCulture, $"add.u64 da, da, {Step(transposeA)};\nadd.u64 db, db, {Step(transposeB)};\n");
        }

        text.Append("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 1;\n}\n");
    }

    /// <summary>The descriptor of an operand at an offset in shared memory, into a register; uses the register at.</summary>
    internal static void Descriptor(StringBuilder text, string name, string offset, bool transposed)
    {
        ulong constant = Swizzle128 | (EightRows << 32) | ((transposed ? NextBlock : 1UL) << 16);
        text.Append($"add.u32 at, sbase, {offset};\nand.b32 at, at, 0x3FFFF;\nshr.u32 at, at, 4;\ncvt.u64.u32 {name}, at;\n");
        text.Append(CultureInfo.InvariantCulture, $"or.b64 {name}, {name}, 0x{constant:X};\n");
    }

    // 16 elements of K: 32 bytes along a row, or 16 rows of 128 bytes.
    private static int Step(bool transposed) => (transposed ? 16 * 128 : 16 * 2) >> 4;

    private static int Bit(bool value) => value ? 1 : 0;

    // Address of the thread's first element, rows and columns left from there, bytes of eight rows, alpha, whether to add.
    private static void Store(StringBuilder text, int tileN, string[] a)
    {
        text.Append("{\n.reg .pred rowin, both, adds, loads;\n.reg .u64 at;\n.reg .f32 x, y;\n");
        text.Append($"mov.u64 at, {a[0]};\nsetp.ne.s32 adds, {a[5]}, 0;\n");
        for (int half = 0; half < 2; half++)
        {
            text.Append(CultureInfo.InvariantCulture, $"setp.gt.s32 rowin, {a[1]}, {8 * half};\n");
            for (int j = 0; j < tileN / 8; j++)
            {
                int first = (4 * j) + (2 * half);
                text.Append(CultureInfo.InvariantCulture, $"setp.gt.and.s32 both, {a[2]}, {8 * j}, rowin;\n");
                text.Append(CultureInfo.InvariantCulture, $"mul.f32 acc{first}, acc{first}, {a[4]};\nmul.f32 acc{first + 1}, acc{first + 1}, {a[4]};\n");
                text.Append("mov.f32 x, 0f00000000;\nmov.f32 y, 0f00000000;\nand.pred loads, both, adds;\n");
                text.Append(CultureInfo.InvariantCulture, $"@loads ld.global.v2.f32 {{x, y}}, [at+{32 * j}];\n");
                text.Append(CultureInfo.InvariantCulture, $"add.f32 acc{first}, acc{first}, x;\nadd.f32 acc{first + 1}, acc{first + 1}, y;\n");
                text.Append(CultureInfo.InvariantCulture, $"@both st.global.v2.f32 [at+{32 * j}], {{acc{first}, acc{first + 1}}};\n");
            }

            text.Append($"add.u64 at, at, {a[3]};\n");
        }

        text.Append("}\n");
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s*peft\.(?<name>[\w.]+)\s*(?<arguments>[^;]*);\s*$")]
    private static partial Regex Macro();

    [GeneratedRegex(@"\.entry\s+(?<name>\w+)")]
    private static partial Regex Entry();
}
