using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>
/// Writes the macros of attention on Hopper as PTX. A tile of heads is stored in shared memory in panels of 64 columns, each row of a panel
/// 128 swizzled bytes, as the copy engine writes it and as wgmma reads it, transposed or not. Scores (s, g) and sums (o, v) are registers;
/// a thread has rows lane/4 and lane/4 + 8 of its warp's 16, and of every 8 columns the two from 2·(lane mod 4) on. Probabilities and score
/// gradients become the next product's first operand (p, w) without leaving registers (Shah et al. 2024, FlashAttention-3).
/// </summary>
internal sealed partial class FlashPtx
{
    // The first thread of a warpgroup, which issues its copies.
    private const string First = "mov.u32 t, %tid.x;\nand.b32 t, t, 127;\nsetp.eq.u32 first, t, 0;\n";

    private const string Infinity = "0fFF800000", Zero = "0f00000000";

    // The upper half of an operand's descriptor: 128-byte swizzle, and the distance of eight rows. The lower half holds the address and the
    // distance between panels, both in units of 16 bytes.
    private const string Upper = "0x40000040";

    private readonly FlashGeometry _tiles;
    private readonly bool _backward, _keys;
    private readonly string _arguments;

    private FlashPtx(string kind, int dim, bool terms, string arguments)
    {
        _tiles = kind switch
        {
            "forward" => FlashGeometry.Forward(dim),
            "queries" => FlashGeometry.QueryGradient(dim),
            "values" => FlashGeometry.ValueGradient(dim),
            _ => FlashGeometry.KeyGradient(dim, terms),
        };
        (_backward, _keys, _arguments) = (kind != "forward", kind is "keys" or "values", arguments);
    }

    /// <summary>Expands the macros in ILGPU's PTX; a kernel whose first macro is not one of attention's must have none.</summary>
    public static string Expand(string ptx) =>
        For(ptx) is { } flash ? PtxMacros.Expand(Align(ptx), flash.Write) : PtxMacros.Expand(ptx, static (_, _, _) => false);

    /// <summary>The macro writer of a kernel, by its first macro; null if it is no attention kernel.</summary>
    public static FlashPtx? For(string ptx) => Begins().Match(ptx) is { Success: true } begin
        ? new FlashPtx(begin.Groups["kind"].Value, Number(begin.Groups["dim"].Value),
            ptx.Contains("peft.terms;", StringComparison.Ordinal), Arguments().Match(ptx).Groups["name"].Value)
        : null;

    /// <summary>Aligns the arguments to 64 bytes, as the copy engine's maps need.</summary>
    public static string Align(string ptx) =>
        Arguments().Replace(ptx, match => match.Value.Replace(".align 8", ".align 64", StringComparison.Ordinal));

    /// <summary>Writes a macro as PTX; false if there is none of that name.</summary>
    public bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "flash": Begin(text); break;
            case "registers": Line(text, $"setmaxnreg.{(name[1] == "copy" ? "dec" : "inc")}.sync.aligned.u32 {Registers(name[1])};"); break;
            case "barrier": Line(text, $"{{\n.reg .u32 at;\n{Barrier(a[0])}mbarrier.init.shared::cta.b64 [at], {a[1]};\n}}"); break;
            case "await": Await(text, a); break;
            case "arrive":
                Line(text,
                $"{{\n.reg .u32 at;\n{Barrier(a[0])}{(name[1] == "lead" ? "@lead " : "")}" +
                "mbarrier.arrive.shared::cta.b64 _, [at];\n}"); break;
            case "expect":
                Line(text,
                $"{{\n.reg .u32 at;\n{Barrier(a[0])}@lead mbarrier.arrive.expect_tx.shared::cta.b64 _, [at], {a[1]};\n}}"); break;
            case "fetch": Fetch(text, name[1], a); break;
            case "scores": Scores(text, name[1], a); break;
            case "combine": Combine(text, name[1], name[2], a); break;
            case "clear": Clear(text, name[1]); break;
            case "factor": Line(text, $"mov.f32 factor0, {a[0]};\nmov.f32 factor1, {a[0]};"); break;
            case "stage": Stage(text, name[1], a); break;
            case "sent": Sent(text, a); break;
            case "send": Send(text, name[1], a); break;
            default: return WriteScores(text, name, a);
        }

        return true;
    }

    private void Begin(StringBuilder text)
    {
        int scores = _tiles.Columns / 2, sums = _tiles.Dim / 2;
        Line(text, $".reg .f32 s<{scores}>, o<{sums}>;\n.reg .b32 p<{scores / 2}>;");
        Line(text, $".reg .f32 max<2>, sum<2>, factor<2>, lse<2>, delta<2>;");
        if (_backward)
        {
            Line(text, $".reg .f32 g<{scores}>;");
        }

        if (_keys)
        {
            Line(text, $".reg .f32 v<{sums}>;\n.reg .b32 w<{scores / 2}>;");
        }

        Line(text, ".reg .u32 sbase;\n.reg .b64 maps;\n.reg .pred always, lead;");
        Line(text, "mov.u32 sbase, peft_shared;\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n" +
            "setp.eq.u32 always, sbase, sbase;");
        Line(text, $"{{\n.reg .u32 lane;\nmov.u32 lane, %laneid;\nsetp.eq.u32 lead, lane, 0;\n}}\nmov.b64 maps, {_arguments};");
        Line(text, $"cvta.param.u64 maps, maps;");
    }

    // Arguments: number of a barrier, parity of the phase to wait for.
    private static void Await(StringBuilder text, string[] a) => Line(text,
        $"{{\n.reg .u32 at;\n.reg .pred done;\n{Barrier(a[0])}AGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 done, [at], {a[1]};\n" +
        $"@!done bra AGAIN;\n}}");

    // Arguments: offset in shared memory, barrier, head, first token, batch row. One instruction a panel; tokens beyond the last read as
    // zeros.
    private void Fetch(StringBuilder text, string map, string[] a)
    {
        Line(text, $"{{\n.reg .u32 at, to;\n.reg .b64 map;\n{Barrier(a[1])}add.u32 to, sbase, {a[0]};");
        Line(text, $"add.u64 map, maps, {MapBytes(map)};");
        int panel = (map[0] == 'k' ? _tiles.Rows : _tiles.Columns) * 128;
        Panels(text, "to", panel,
            $"@lead cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [to], [map, {{column, {a[2]}, {a[3]}, " +
            $"{a[4]}}}], [at];");
        Line(text, "}");
    }

    // Arguments: offset in shared memory, head, first token, batch row, whether to add. One thread copies its warpgroup's 64 rows.
    private void Send(StringBuilder text, string map, string[] a)
    {
        Line(text, $"{{\n.reg .u32 from, t;\n.reg .b64 map;\n.reg .pred first, adds, sets;\nadd.u32 from, sbase, {a[0]};");
        Line(text, $"add.u64 map, maps, {MapBytes(map)};");
        Line(text, $"{First}setp.ne.and.s32 adds, {a[4]}, 0, first;\nsetp.eq.and.s32 sets, {a[4]}, 0, first;");
        Panels(text, "from", _tiles.Rows * 128,
            $"@sets cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [map, {{column, {a[1]}, {a[2]}, {a[3]}}}], [from];\n" +
            $"@adds cp.reduce.async.bulk.tensor.4d.global.shared::cta.add.bulk_group [map, {{column, {a[1]}, {a[2]}, {a[3]}}}], [from];");
        Line(text, "}");
    }

    // Argument: the barrier to arrive at once the copied bytes are read.
    private static void Sent(StringBuilder text, string[] a) => Line(text,
        $"{{\n.reg .u32 at, t;\n.reg .pred first;\n{First}{Barrier(a[0])}cp.async.bulk.commit_group;\ncp.async.bulk.wait_group.read 0;\n" +
        "@first mbarrier.arrive.shared::cta.b64 _, [at];\n}");

    private void Panels(StringBuilder text, string address, int bytes, string line)
    {
        Line(text, "{\n.reg .u32 column;\nmov.u32 column, 0;");
        for (int column = 0; column < _tiles.Dim; column += 64)
        {
            Line(text, line);
            if (column + 64 < _tiles.Dim)
            {
                Line(text, $"add.u32 column, column, 64;\nadd.u32 {address}, {address}, {bytes};");
            }
        }

        Line(text, "}");
    }

    // s or g = kept·streamedᵀ over the head dimension. Arguments: offsets of the warpgroup's kept rows and of the streamed tile.
    private void Scores(StringBuilder text, string scores, string[] a)
    {
        Line(text, "{\n.reg .u32 kept, passing, upper, x;\n.reg .u64 da, db;\n.reg .pred adds;\nsetp.ne.u32 adds, sbase, sbase;");
        Address(text, "kept", a[0]);
        Address(text, "passing", a[1]);
        Line(text, $"mov.b32 upper, {Upper};\nwgmma.fence.sync.aligned;");
        int stepA = 1 << 16, stepB = 1 << 16; // lower halves: the distance between panels is not used along a row
        for (int k = 0; k < _tiles.Dim; k += 16)
        {
            string onto = k == 0 ? "adds" : "always";
            Line(text, $"add.u32 x, kept, {stepA};\nmov.b64 da, {{x, upper}};\nadd.u32 x, passing, {stepB};\nmov.b64 db, {{x, upper}};");
            Line(text, $"wgmma.mma_async.sync.aligned.m64n{_tiles.Columns}k16.f32.bf16.bf16 {{{Names(scores, _tiles.Columns / 2)}}}, da, " +
                $"db, {onto}, 1, 1, 0, 0;");
            // 32 bytes along a row; the fifth step begins the next panel.
            bool next = k % 64 == 48;
            stepA += next ? ((_tiles.Rows * 128) - 96) >> 4 : 2;
            stepB += next ? ((_tiles.Columns * 128) - 96) >> 4 : 2;
        }

        Line(text, "wgmma.commit_group.sync.aligned;\n}");
    }

    // sums += weights·tile, summed over the rows of the streamed tile; the weights are registers. Argument: offset of the tile.
    private void Combine(StringBuilder text, string weights, string sums, string[] a)
    {
        Line(text, "{\n.reg .u32 passing, upper, x;\n.reg .u64 db;");
        Address(text, "passing", a[0]);
        Line(text, $"mov.b32 upper, {Upper};\nwgmma.fence.sync.aligned;");
        for (int k = 0; k < _tiles.Columns / 16; k++)
        {
            Line(text, $"add.u32 x, passing, {(_tiles.Columns * 128 >> 4 << 16) + (128 * k)};\nmov.b64 db, {{x, upper}};");
            Line(text, $"wgmma.mma_async.sync.aligned.m64n{_tiles.Dim}k16.f32.bf16.bf16 {{{Names(sums, _tiles.Dim / 2)}}}, " +
                $"{{{weights}{4 * k}, {weights}{(4 * k) + 1}, {weights}{(4 * k) + 2}, {weights}{(4 * k) + 3}}}, db, always, 1, 1, 1;");
        }

        Line(text, "wgmma.commit_group.sync.aligned;\n}");
    }

    private void Clear(StringBuilder text, string sums)
    {
        for (int i = 0; i < _tiles.Dim / 2; i++)
        {
            Line(text, $"mov.f32 {sums}{i}, {Zero};");
        }
    }

    // Stores sums times the rows' factors as BF16. Argument: offset in shared memory of the warpgroup's rows.
    private void Stage(StringBuilder text, string sums, string[] a)
    {
        Line(text, "{\n.reg .u32 t, row, x, at;\n.reg .b32 h<4>;\n.reg .f32 e<2>;\nmov.u32 t, %tid.x;");
        // Lanes address the rows of four 8 × 8 blocks: two down, two across.
        Line(text, "and.b32 row, t, 15;\nshr.u32 x, t, 5;\nand.b32 x, x, 3;\nshl.b32 x, x, 4;\nadd.u32 row, row, x;");
        Line(text, "shr.u32 x, t, 4;\nxor.b32 x, x, row;\nand.b32 x, x, 1;\nand.b32 at, row, 6;\nor.b32 x, x, at;\nshl.b32 x, x, 4;");
        Line(text, $"shl.b32 row, row, 7;\nadd.u32 row, row, {a[0]};\nadd.u32 row, row, sbase;");
        for (int j = 0; j < _tiles.Dim / 8; j += 2)
        {
            for (int h = 0; h < 4; h++)
            {
                int i = (4 * (j + (h / 2))) + (2 * (h % 2));
                Line(text, $"mul.f32 e0, {sums}{i}, factor{h % 2};\nmul.f32 e1, {sums}{i + 1}, factor{h % 2};");
                Line(text, $"cvt.rn.bf16x2.f32 h{h}, e1, e0;");
            }

            Line(text, $"xor.b32 at, x, {j % 8 * 16};\nadd.u32 at, at, row;");
            Line(text, $"stmatrix.sync.aligned.m8n8.x4.shared.b16 [at+{j / 8 * _tiles.Rows * 128}], {{h0, h1, h2, h3}};");
        }

        Line(text, "fence.proxy.async.shared::cta;\n}");
    }

    // The address of an operand's descriptor in units of 16 bytes. The shuffle shows the assembler that it is uniform in a warp, so that
    // descriptors are computed in uniform registers.
    private static void Address(StringBuilder text, string name, string offset) => Line(text,
        $"add.u32 {name}, sbase, {offset};\nshr.u32 {name}, {name}, 4;\nshfl.sync.idx.b32 {name}, {name}, 0, 31, 0xFFFFFFFF;");

    private string Registers(string role) =>
        (role == "copy" ? _tiles.CopyRegisters : _tiles.ComputeRegisters).ToString(CultureInfo.InvariantCulture);

    private static string Barrier(string number) => $"shl.b32 at, {number}, 3;\nadd.u32 at, at, sbase;\n";

    // kept0, kept1, passing0, passing1, result0, result1: 128 bytes each.
    private static int MapBytes(string map) => 128 * ((map[0] switch { 'k' => 0, 'p' => 2, _ => 4 }) + (map[^1] - '0'));

    private static string Names(string register, int count) =>
        string.Join(", ", Enumerable.Range(0, count).Select(i => register + i.ToString(CultureInfo.InvariantCulture)));

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"peft\.flash\.(?<kind>\w+)\.(?<dim>\d+)")]
    private static partial Regex Begins();

    [GeneratedRegex(@"\.param \.align \d+ \.b8 (?<name>\w+)\[")]
    private static partial Regex Arguments();
}
